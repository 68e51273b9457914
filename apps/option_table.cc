#include "option_table.h"

#include "arguments.h"
#include "base/text.h"

namespace thaw::app {

namespace po = boost::program_options;

po::typed_value<std::string>* text(std::string& to, const char* shown, const char* otherwise) {
  return po::value(&to)->value_name(shown)->default_value(otherwise);
}

po::typed_value<std::string>* text(std::string& to, const char* shown) {
  return po::value(&to)->value_name(shown)->default_value("", "");
}

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
  } catch (const po::error& error) {
    return usage_error(printable(error.what()), command);
  }
  return rest;
}

}  // namespace thaw::app
