#include "words.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "base/columns.h"
#include "base/text.h"
#include "suggest.h"
#include "terminal.h"

namespace thaw::app {

namespace po = boost::program_options;

OptionValue flag(bool& to) { return {.flag = &to}; }

OptionValue text(std::string& to, std::string_view shown, std::string_view otherwise) {
  return {.word = &to, .shown = shown, .otherwise = otherwise};
}

OptionValue optional_text(std::optional<std::string>& to, std::string_view shown,
                          std::string_view otherwise) {
  return {.given = &to, .shown = shown, .otherwise = otherwise};
}

void OptionTable::add(std::string_view name, const OptionValue& value, std::string_view help) {
  const std::size_t comma = name.find(',');
  Row row{.name = std::string(name.substr(0, comma)),
          .letter = {},
          .value = value,
          .help = std::string(help)};
  if (comma != std::string_view::npos) row.letter = name.substr(comma + 1);
  rows_.push_back(std::move(row));
}

namespace {

bool is_switch(const OptionValue& value) { return value.word == nullptr && value.shown.empty(); }

// A switch as Boost has it; the table owns it.
po::value_semantic* switch_of(const OptionValue& value) {
  if (value.flag != nullptr) return po::bool_switch(value.flag);
  return po::bool_switch()->notifier([to = value.given](bool given) {
    if (given) *to = "true";
  });
}

po::value_semantic* value_of(const OptionValue& value) {
  if (is_switch(value)) return switch_of(value);
  po::typed_value<std::string>* boost_value = po::value<std::string>();
  boost_value->value_name(std::string(value.shown));
  if (!value.otherwise.empty()) {
    boost_value->default_value(std::string(value.otherwise));
  } else if (value.word != nullptr) {
    boost_value->default_value("", "");  // not shown
  }
  return boost_value->notifier([value](const std::string& word) {
    if (value.word != nullptr) {
      *value.word = word;
    } else {
      *value.given = word;
    }
  });
}

constexpr std::size_t kHelpWidth = 100;    // where there is no window
constexpr std::size_t kLeastWidth = 40;    // below this the terminal wraps
constexpr std::size_t kLeastMeaning = 18;  // columns for what an option means

// Of the text of --help, so that it is wrapped once.
std::size_t help_width() {
  const std::size_t window = stdout_width();
  return window == 0 ? kHelpWidth : std::clamp(window, kLeastWidth, kHelpWidth);
}

// Sentences as one line each paragraph, for the window to wrap; usage lines stay.
std::string reflowed(const std::string& head) {
  std::string text;
  bool sentence = false;
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    const bool joins = !line.empty() && line[0] != ' ' && !line.starts_with("thaw ");
    if (!text.empty()) text += sentence && joins ? ' ' : '\n';
    text += line;
    sentence = joins;
  }
  return text + '\n';
}

po::options_description boost_table(const OptionTable& table) {
  const std::size_t width = help_width();
  const std::size_t meaning = std::max(kLeastMeaning, width * 3 / 5);
  po::options_description described("Options", static_cast<unsigned>(width),
                                    static_cast<unsigned>(std::min(meaning, width - 2)));
  auto add = described.add_options();
  for (const OptionTable::Row& row : table.rows()) {
    const std::string name = row.letter.empty() ? row.name : row.name + ',' + row.letter;
    add(name.c_str(), value_of(row.value), row.help.c_str());
  }
  return described;
}

// The word that begins with `beginning`.
std::string typed(const std::vector<std::string>& words, const std::string& beginning) {
  for (const std::string& word : words) {
    if (word.starts_with(beginning)) return word;
  }
  return beginning;
}

std::vector<std::string> names_of(const OptionTable& table) {
  std::vector<std::string> names;
  for (const OptionTable::Row& row : table.rows()) names.push_back(row.name);
  return names;
}

}  // namespace

Result<std::vector<std::string>> parse_words(const std::vector<std::string>& words,
                                             const OptionTable& table, const std::string& command) {
  po::options_description all = boost_table(table);
  std::vector<std::string> rest;
  all.add_options()("rest", po::value(&rest));
  po::positional_options_description positions;
  positions.add("rest", -1);
  constexpr int kStyle = po::command_line_style::default_style &
                         ~static_cast<int>(po::command_line_style::allow_guessing);
  try {
    po::variables_map map;
    po::store(po::command_line_parser(words).options(all).positional(positions).style(kStyle).run(),
              map);
    po::notify(map);
  } catch (const po::unknown_option& error) {
    // The library names a word of one dash by its first letter; what was typed says more.
    std::string word = error.get_option_name();
    if (!word.starts_with("--")) word = typed(words, word);
    word = word.substr(0, word.find('='));
    return fail(ErrorCode::usage, {}, "unknown option " + printable(word),
                near_option(word, names_of(table)) + "See " + command + " --help");
  } catch (const po::error& error) {
    return usage_error(printable(error.what()), command);
  }
  return rest;
}

CommandHelp command_help(const char* head, const OptionTable& table) {
  std::ostringstream out;
  out << (stdout_width() == 0 ? head : wrapped(reflowed(head), help_width())) << '\n'
      << boost_table(table);
  CommandHelp help{.head = head, .options = {}, .text = out.str()};
  for (const OptionTable::Row& row : table.rows()) {
    help.options.push_back({.name = row.name,
                            .letter = row.letter,
                            .value = std::string(row.value.shown),
                            .default_word = std::string(row.value.otherwise),
                            .help = row.help});
  }
  return help;
}

Status usage_error(const std::string& what, const std::string& command) {
  return fail(ErrorCode::usage, {}, what, "See " + command + " --help");
}

}  // namespace thaw::app
