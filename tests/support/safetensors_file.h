// The bytes of safetensors files, right and wrong ones, for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace thaw::testing {

// A file of that header, whatever it says, and that data.
inline std::string raw_safetensors(std::string_view header, std::string_view data = {}) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  file += header;
  file += data;
  return file;
}

// "{first,second}".
inline std::string object_text(std::initializer_list<std::string_view> members) {
  std::string text = "{";
  for (const std::string_view member : members) {
    if (text.size() > 1) text += ',';
    text += member;
  }
  text += '}';
  return text;
}

struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::f16;
  std::vector<std::uint64_t> shape = {};
  std::string data = {};  // empty: zeros of the size that dtype and shape say
};

// `"name":{...}` as it stands in a header.
inline std::string entry_text(std::string_view name, std::string_view dtype, std::string_view shape,
                              std::uint64_t begin, std::uint64_t end) {
  std::string text = "\"";
  for (const std::string_view part : {name, std::string_view("\":{\"dtype\":\""), dtype,
                                      std::string_view("\",\"shape\":"), shape}) {
    text += part;
  }
  text += ",\"data_offsets\":[" + std::to_string(begin) + ",";
  text += std::to_string(end) + "]}";
  return text;
}

// A correct file. `metadata` is the JSON of __metadata__, or empty.
inline std::string safetensors(const std::vector<TensorSpec>& tensors,
                               std::string_view metadata = {}) {
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + std::string(metadata);
  std::string data;
  for (const TensorSpec& tensor : tensors) {
    std::uint64_t bits = dtype_bits(tensor.dtype);
    std::string shape = "[";
    for (const std::uint64_t extent : tensor.shape) {
      bits *= extent;
      if (shape.size() > 1) shape += ",";
      shape += std::to_string(extent);
    }
    const std::uint64_t begin = data.size();
    data += tensor.data.empty() ? std::string(bits / 8, '\0') : tensor.data;
    if (header.size() > 1) header += ",";
    header += entry_text(tensor.name, dtype_name(tensor.dtype), shape + "]", begin, data.size());
  }
  return raw_safetensors(header + "}", data);
}

}  // namespace thaw::testing
