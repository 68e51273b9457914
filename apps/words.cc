#include "words.h"

#include <sstream>

#include "base/text.h"
#include "suggest.h"

namespace thaw::app {

namespace po = boost::program_options;

namespace {

// The word that begins with `beginning`.
std::string typed(const std::vector<std::string>& words, const std::string& beginning) {
  for (const std::string& word : words) {
    if (word.starts_with(beginning)) return word;
  }
  return beginning;
}

}  // namespace

Result<std::vector<std::string>> parse_words(const std::vector<std::string>& words,
                                             const po::options_description& table,
                                             const std::string& command) {
  po::options_description all;
  std::vector<std::string> rest;
  all.add(table).add_options()("rest", po::value(&rest));
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
                near_option(word, table) + "See " + command + " --help");
  } catch (const po::error& error) {
    return usage_error(printable(error.what()), command);
  }
  return rest;
}

namespace {

OptionRow option_row(const po::option_description& option) {
  OptionRow row;
  row.name = option.long_name();
  const std::string shown =
      option.canonical_display_name(po::command_line_style::allow_dash_for_short);
  if (shown.size() == 2 && shown[0] == '-') row.letter = shown.substr(1);
  row.help = option.description();
  if (option.semantic()->max_tokens() == 0) return row;
  row.value = option.semantic()->name();  // "SIZE (=256MB)"
  const std::size_t split = row.value.find(" (=");
  if (split != std::string::npos) {
    row.default_word = row.value.substr(split + 3, row.value.size() - split - 4);
    row.value.resize(split);
  }
  return row;
}

}  // namespace

CommandHelp command_help(const char* head, const po::options_description& table) {
  std::ostringstream out;
  out << head << '\n' << table;
  CommandHelp help{.head = head, .options = {}, .text = out.str()};
  for (const auto& option : table.options()) help.options.push_back(option_row(*option));
  return help;
}

po::typed_value<std::string>* text(std::string& to, const char* shown, const char* otherwise) {
  po::typed_value<std::string>* value = po::value(&to)->value_name(shown);
  return *otherwise == '\0' ? value->default_value("", "") : value->default_value(otherwise);
}

Status usage_error(const std::string& what, const std::string& command) {
  return fail(ErrorCode::usage, {}, what, "See " + command + " --help");
}

}  // namespace thaw::app
