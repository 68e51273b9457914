#include "suggest.h"

#include "base/nearest.h"

namespace thaw::app {

namespace {

std::string with_space(std::string text) {
  if (!text.empty()) text += ' ';
  return text;
}

}  // namespace

std::string near_option(const std::string& word, const std::vector<std::string>& known) {
  const std::size_t begin = word.find_first_not_of('-');
  if (begin == std::string::npos) return {};
  return with_space(did_you_mean(word.substr(begin), known, "--"));
}

std::string near_command(const std::string& word) {
  if (word.starts_with('-')) return with_space(did_you_mean(word, {"--help", "--version"}));
  return with_space(did_you_mean(
      word, {"convert", "inspect", "verify", "compare", "specs", "run", "help"}, "thaw "));
}

}  // namespace thaw::app
