#include "quant/bnb_state.h"

#include <charconv>
#include <optional>
#include <system_error>

#include "base/text.h"
#include "json/node.h"
#include "quant/config.h"

namespace thaw {

namespace {

constexpr std::size_t kLongest = 64u << 10;  // bytes; those of the producer have less than 300

class Reader {
 public:
  Reader(std::string_view text, const json::Node& root) : text_(text), root_(root) {}

  Problem read(BnbState& state) {
    const json::Node* shape = root_.find("shape");
    const bool two =
        shape != nullptr && shape->kind == json::Kind::array && shape->items.size() == 2;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto extent = two ? positive(&shape->items[i]) : std::nullopt;
      if (!extent.has_value()) return "its shape: expected two numbers of at least 1";
      state.shape[i] = *extent;
    }
    const auto block = positive(root_.find("blocksize"));
    if (!block.has_value()) return "its blocksize: expected a number of at least 1";
    state.block = *block;
    state.nested =
        root_.find("nested_blocksize") != nullptr || root_.find("nested_offset") != nullptr;
    if (!state.nested) return std::nullopt;
    const auto nested_block = positive(root_.find("nested_blocksize"));
    if (!nested_block.has_value()) return "its nested_blocksize: expected a number of at least 1";
    state.nested_block = *nested_block;
    const std::optional<float> offset = single(root_.find("nested_offset"));
    if (!offset.has_value()) return "its nested_offset: expected a number of float32";
    state.offset = *offset;
    return std::nullopt;
  }

 private:
  static std::optional<std::uint64_t> positive(const json::Node* node) {
    const auto value = node != nullptr ? node->as_integer() : std::nullopt;
    if (!value.has_value() || *value < 1 || *value > kLargestExtent) return std::nullopt;
    return static_cast<std::uint64_t>(*value);
  }

  // Its digits are a double's that has the value of a float32; another would be rounded unseen.
  std::optional<float> single(const json::Node* node) const {
    const bool number =
        node != nullptr && (node->kind == json::Kind::number || node->kind == json::Kind::integer);
    if (!number) return std::nullopt;
    double value = 0;
    const auto [end, problem] =
        std::from_chars(text_.data() + node->begin, text_.data() + node->end, value);
    const auto narrow = static_cast<float>(value);
    const bool exact = problem == std::errc() && end == text_.data() + node->end &&
                       static_cast<double>(narrow) == value;
    return exact ? std::optional(narrow) : std::nullopt;
  }

  static constexpr std::int64_t kLargestExtent = std::int64_t{1} << 40;
  std::string_view text_;
  const json::Node& root_;
};

}  // namespace

Problem read_bnb_state(std::string_view text, BnbState& state) {
  if (text.size() > kLongest) {
    return "a state of " + std::to_string(text.size()) + " bytes, more than any producer writes";
  }
  const Result<json::Node> root = json::parse("quant_state", text, {});
  if (!root.ok()) return root.error().messages.front();
  if (!root.value().is_object()) return "a state that is no JSON object";
  return Reader(text, root.value()).read(state);
}

}  // namespace thaw
