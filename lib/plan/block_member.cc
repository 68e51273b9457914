#include "plan/block_member.h"

#include <charconv>

namespace thaw {

namespace {

// GPT-2 and its kin keep the mask of their attention as a tensor: of floats [1, 1, n, n], or of
// bits in any shape.
bool is_causal_mask(const Tensor& tensor, std::string_view last) {
  if (last != "bias" && last != "causal_mask") return false;
  if (tensor.shape.size() < 2) return false;
  if (tensor.dtype == Dtype::boolean || tensor.dtype == Dtype::u8) return true;
  return tensor.shape.size() == 4 && tensor.shape[0] == 1 && tensor.shape[1] == 1 &&
         tensor.shape[2] == tensor.shape[3];
}

}  // namespace

Member member_of(const Blocks& blocks, std::string_view tensor) {
  if (!tensor.starts_with(blocks.path) || tensor.size() <= blocks.path.size() + 1) return {};
  if (tensor[blocks.path.size()] != '.') return {};
  const std::string_view rest = tensor.substr(blocks.path.size() + 1);
  const std::size_t dot = rest.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot + 1 == rest.size()) return {};
  if (rest.substr(0, dot).find_first_not_of("0123456789") != std::string_view::npos) return {};
  Member member{rest.substr(0, dot), rest.substr(dot + 1)};
  const auto read = std::from_chars(rest.data(), rest.data() + dot, member.number);
  return read.ec == std::errc() ? member : Member{};
}

std::string name_in(const Blocks& blocks, const Member& member) {
  std::string name = blocks.path;
  name.append(".").append(member.layer).append(".").append(member.name);
  return name;
}

bool is_block_buffer(const Tensor& tensor) {
  const std::string_view last = tensor.name.substr(tensor.name.rfind('.') + 1);
  // Tables of rotary embeddings.
  if (last == "inv_freq" || last == "cos_cached" || last == "sin_cached") return true;
  if (is_causal_mask(tensor, last)) return true;
  return tensor.shape.size() < 2 && last != "weight" && last != "bias";
}

}  // namespace thaw
