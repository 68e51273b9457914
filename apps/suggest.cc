#include "suggest.h"

#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/nearest.h"

namespace thaw::app {

namespace {

std::string with_space(std::string text) {
  if (!text.empty()) text += ' ';
  return text;
}

struct Habit {
  std::string_view word;
  std::string_view hint;
};

// What other tools call it.
constexpr std::array<Habit, 4> kOptions = {{
    {"o", "OUT is the second word: thaw convert MODEL OUT. "},
    {"out", "OUT is the second word: thaw convert MODEL OUT. "},
    {"output", "OUT is the second word: thaw convert MODEL OUT. "},
    {"overwrite", "Did you mean --force? "},
}};
constexpr std::array<Habit, 8> kCommands = {{
    {"version", "Did you mean thaw --version? "},
    {"info", "Did you mean thaw inspect? "},
    {"show", "Did you mean thaw inspect? "},
    {"plan", "Did you mean thaw convert MODEL OUT --dry-run? "},
    {"dequantize", "Did you mean thaw convert? "},
    {"export", "Did you mean thaw convert? "},
    {"check", "Did you mean thaw verify? "},
    {"diff", "Did you mean thaw compare? "},
}};

template <std::size_t kCount>
std::string habit(const std::array<Habit, kCount>& habits, std::string_view word) {
  for (const Habit& one : habits) {
    if (one.word == word) return std::string(one.hint);
  }
  return {};
}

// A MODEL where the command should stand: a path that is there, or one that looks like a path.
bool looks_like_model(const std::string& word) {
  std::error_code error;
  return word.find('/') != std::string::npos || word.ends_with(".safetensors") ||
         std::filesystem::is_directory(word, error);
}

}  // namespace

std::string near_option(const std::string& word, const std::vector<std::string>& known) {
  const std::size_t begin = word.find_first_not_of('-');
  if (begin == std::string::npos) return {};
  if (std::string hint = habit(kOptions, std::string_view(word).substr(begin)); !hint.empty()) {
    return hint;
  }
  return with_space(did_you_mean(word.substr(begin), known, "--"));
}

std::string near_command(const std::string& word) {
  if (word.starts_with('-')) return with_space(did_you_mean(word, {"--help", "--version"}));
  if (std::string hint = habit(kCommands, word); !hint.empty()) return hint;
  if (looks_like_model(word)) return "Did you mean thaw convert MODEL OUT, or thaw inspect MODEL? ";
  return with_space(did_you_mean(
      word, {"convert", "inspect", "verify", "compare", "specs", "run", "help"}, "thaw "));
}

}  // namespace thaw::app
