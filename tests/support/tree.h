// Everything below a directory, as one value that can be compared.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "support/temporary_directory.h"

namespace thaw::testing {

// Relative path to content; "/" for a directory.
inline std::map<std::string, std::string> tree_of(const std::string& directory) {
  std::map<std::string, std::string> tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().lexically_relative(directory).string();
    tree[name] = entry.is_directory() ? "/" : content_of(entry.path().string());
  }
  return tree;
}

// The names directly below a directory, with a space after each.
inline std::string names_in(const std::string& directory) {
  std::map<std::string, int> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names[entry.path().filename().string()] = 0;
  }
  std::string text;
  for (const auto& [name, ignored] : names) text += name + ' ';
  return text;
}

}  // namespace thaw::testing
