#include "checkpoint/other_format.h"

#include <algorithm>

#include "base/text.h"

namespace thaw {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kUnpack = "Unpack it first.";
constexpr std::string_view kConvert =
    "thaw reads safetensors only: convert the weights, or download them in that format.";
constexpr std::string_view kDownload =
    "The download has failed; fetch the file again, as with: hf download ORG/NAME FILE.";

struct Magic {
  std::string_view bytes;
  std::string_view what;
  std::string_view hint;
  std::size_t at = 0;
};

constexpr Magic kMagics[] = {
    {"\x1f\x8b"sv, "a gzip file", kUnpack},
    {"\x28\xb5\x2f\xfd"sv, "a zstd file", kUnpack},
    {"\3757zXZ\0"sv, "an xz file", kUnpack},
    {"ustar"sv, "a tar archive", kUnpack, 257},
    {"PK\3\4"sv, "a zip archive, as PyTorch writes its files", kConvert},
    {"GGUF"sv, "a GGUF file", kConvert},
    {"\x93NUMPY"sv, "a NumPy file", kConvert},
    {"\x89HDF\r\n"sv, "an HDF5 file", kConvert},
    {"\177ELF"sv, "a program", {}},
};

// A pickle begins with the number of its protocol, and then anything.
bool is_pickle(std::string_view begin) {
  return begin.size() >= 2 && begin[0] == '\x80' && begin[1] >= '\2' && begin[1] <= '\5';
}

// What a server answers in place of a file.
bool is_text(std::string_view begin) {
  return !begin.empty() && std::all_of(begin.begin(), begin.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

OtherFormat recognise_other_format(std::string_view begin) {
  // A header follows its length: what came before looks like a mark by chance.
  if (begin.size() > 8 && begin[8] == '{') return {};
  for (const Magic& magic : kMagics) {
    if (begin.size() < magic.at || !begin.substr(magic.at).starts_with(magic.bytes)) continue;
    return {std::string(magic.what), magic.hint};
  }
  if (is_pickle(begin)) return {"a pickle, as PyTorch writes its files", kConvert};
  const std::string_view words = begin.substr(0, 80);
  if (!is_text(words)) return {};
  return {"text (\"" + printable(words) + "\")", kDownload};
}

}  // namespace thaw
