#include "quant/compressed_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "quant/methods.h"

namespace thaw {

namespace {

constexpr std::string_view kMixedPrecision = "mixed-precision";

// The formats of small floats, and how wide their elements are.
struct FloatFormat {
  std::string_view name;
  std::int64_t bits;
};
constexpr std::array<FloatFormat, 4> kFloatFormats = {{{kFloatQuantized, 8},
                                                       {"mxfp8-quantized", 8},
                                                       {"mxfp4-pack-quantized", 4},
                                                       {"nvfp4-pack-quantized", 4}}};

const FloatFormat* float_format(std::string_view name) {
  const auto* const found = std::find_if(kFloatFormats.begin(), kFloatFormats.end(),
                                         [&](const FloatFormat& one) { return one.name == name; });
  return found == kFloatFormats.end() ? nullptr : found;
}

class Reader {
 public:
  Reader(const ConfigPlace& place, ErrorList& errors, std::vector<std::string>& warnings)
      : place_(place), errors_(errors), warnings_(warnings) {}

  CompressedConfig read() {
    const std::string format = string_of(*place_.node, "", "format").value_or("");
    refuse_sparsity();
    const json::Node* groups = member_of(*place_.node, "config_groups");
    if (groups != nullptr && !groups->is_object()) {
      error("config_groups", node_text(*groups), "an object");
      return {};
    }
    if (groups != nullptr) {
      for (const auto& [name, group] : groups->members) {
        read_group("config_groups." + name, group, format);
      }
    }
    add_names(*place_.node, "", "ignore", targets_.ignored, 0);
    targets_.groups.finish();
    targets_.ignored.finish();
    targets_.said = targets_.said && understood_;
    const bool nothing_else = others_.empty() && is_read(format);
    if (groups_.empty() && !nothing_else) {
      const std::string& found = others_.empty() ? format : others_;
      errors_.add(fail(ErrorCode::input, Place{place_.file, {}},
                       printable(place_.member("format")) + ": compressed-tensors of the format " +
                           printable(found) + " is not supported",
                       kMethodsHint));
    }
    return {std::move(groups_), std::move(targets_)};
  }

 private:
  // A format that is not said may be any: then the tensors tell.
  static bool is_read(std::string_view format) {
    return format.empty() || format == kPackQuantized || format == kIntQuantized ||
           format == kNaiveQuantized || format == kMixedPrecision ||
           float_format(format) != nullptr;
  }

  void read_group(const std::string& key, const json::Node& group, const std::string& format) {
    // "W4A16": ["Linear"] is how recipes spell it; it says nothing that the tensors do not.
    if (group.kind == json::Kind::array || group.kind == json::Kind::null) return;
    if (!group.is_object()) return error(key, node_text(group), "an object");
    const std::string own = string_of(group, key, "format").value_or(format);
    const bool read = read_weights(key, group, own);
    const std::size_t value = read ? groups_.size() - 1 : Targets::kOtherGroup;
    const bool has_targets = add_names(group, key, "targets", targets_.groups, value);
    targets_.said = targets_.said || (read && has_targets);
  }

  // False for a group that is passed over.
  bool read_weights(const std::string& key, const json::Node& group, const std::string& format) {
    if (!is_read(format)) {
      if (others_.empty()) others_ = format;
      return false;
    }
    const json::Node* weights = member_of(group, "weights");
    if (weights == nullptr) return false;  // only activations are quantized
    const std::string at = key + ".weights";
    if (!weights->is_object()) {
      error(at, node_text(*weights), "an object");
      return false;
    }
    const std::string type = string_of(*weights, at, "type").value_or("int");
    const bool whole = format == kPackQuantized || format == kIntQuantized;
    const bool floats = float_format(format) != nullptr;
    if (type != "int" && type != "float") {
      error(at + ".type", printable(type), "int or float");
    } else if (whole && type == "float") {
      error(at + ".type", printable(type), "int");
    } else if (floats && type == "int") {
      error(at + ".type", printable(type), "float");
    }
    const CodeForm form = type == "float" ? CodeForm::elements : form_of(format);
    const auto [block_rows, block_columns] = block_of(*weights, at);
    groups_.push_back({.bits = bits_of(*weights, at, form, format),
                       .group_size = group_size_of(*weights, at, form, block_columns),
                       .symmetric = boolean_of(*weights, at, "symmetric"),
                       .form = form,
                       .block_rows = block_rows.value_or(1)});
    return true;
  }

  // The strings of an array `name`; false where there are none.
  bool add_names(const json::Node& object, const std::string& at, const std::string& name,
                 NameList& list, std::size_t value) {
    const json::Node* names = member_of(object, name);
    if (names == nullptr) return false;
    const std::string key = below(at, name);
    if (names->kind != json::Kind::array) {
      error(key, node_text(*names), "an array of strings");
      return false;
    }
    for (const json::Node& item : names->items) {
      const std::optional<std::string_view> text = item.as_string();
      if (!text.has_value()) {
        error(key, node_text(item), "an array of strings");
        return false;
      }
      const Status added = list.add(*text, value);
      if (added.ok()) continue;
      // Shapes tell nearly always what the pattern would: no reason to refuse the checkpoint.
      understood_ = understood_ && name != "targets";
      warnings_.push_back(place_.name + ": " + printable(place_.member(key)) + ": " +
                          added.error().messages.front() + "; shapes tell in its place");
      break;
    }
    return !names->items.empty();
  }

  static CodeForm form_of(std::string_view format) {
    if (format == kPackQuantized) return CodeForm::words;
    const bool bytes = format == kIntQuantized || format == kNaiveQuantized;
    return bytes ? CodeForm::bytes : CodeForm::unsaid;
  }

  std::optional<std::int64_t> bits_of(const json::Node& weights, const std::string& at,
                                      CodeForm form, std::string_view format) {
    const std::optional<std::int64_t> bits = integer_of(weights, at, "num_bits");
    if (form == CodeForm::elements) {
      const FloatFormat* of = float_format(format);
      const bool good =
          of != nullptr ? bits.value_or(of->bits) == of->bits : bits.value_or(8) == 8 || bits == 4;
      if (good) return bits;
      error(at + ".num_bits", std::to_string(*bits),
            of != nullptr ? std::to_string(of->bits) : std::string("4 or 8"));
      return std::nullopt;
    }
    if (!bits.has_value() || (*bits >= 1 && *bits <= 8)) return bits;
    error(at + ".num_bits", std::to_string(*bits), "1 to 8");
    return std::nullopt;
  }

  // Rows and columns of a block, where weights are quantized by block.
  std::array<std::optional<std::int64_t>, 2> block_of(const json::Node& weights,
                                                      const std::string& at) {
    if (string_of(weights, at, "strategy") != "block") return {};
    const json::Node* block = member_of(weights, "block_structure");
    std::array<std::optional<std::int64_t>, 2> sizes;
    if (block != nullptr && block->kind == json::Kind::array && block->items.size() == 2) {
      sizes = {block->items[0].as_integer(), block->items[1].as_integer()};
    }
    for (const std::optional<std::int64_t>& size : sizes) {
      if (size.has_value() && *size >= 1 && *size <= kLargestGroup) continue;
      error(at + ".block_structure", block == nullptr ? "nothing" : node_text(*block),
            "two numbers of 1 to " + std::to_string(kLargestGroup) + ", as strategy is block");
      return {};
    }
    return sizes;
  }

  std::optional<std::int64_t> group_size_of(const json::Node& weights, const std::string& at,
                                            CodeForm form,
                                            std::optional<std::int64_t> block_columns) {
    const std::optional<std::int64_t> size = integer_of(weights, at, "group_size");
    if (size.has_value() && *size != -1 && (*size < 1 || *size > kLargestGroup)) {
      error(at + ".group_size", std::to_string(*size),
            "-1 or 1 to " + std::to_string(kLargestGroup));
      return std::nullopt;
    }
    const std::optional<std::string> strategy = string_of(weights, at, "strategy");
    if (strategy == "channel" || strategy == "tensor") return -1;
    if (strategy == "block") return block_columns;
    const bool by_tensor_group = form == CodeForm::elements && strategy == "tensor_group";
    if (strategy.has_value() && strategy != "group" && !by_tensor_group) {
      error(at + ".strategy", printable(*strategy), "group, channel, tensor or block");
    }
    return size;
  }

  // Both empty in ordinary files. Rotations are found by their names, in every kind of config.
  void refuse_sparsity() {
    const json::Node* sparsity = member_of(*place_.node, "sparsity_config");
    if (sparsity == nullptr) return;
    if (!sparsity->is_object()) return error("sparsity_config", node_text(*sparsity), "an object");
    if (sparsity->members.empty()) return;
    const std::string format =
        string_of(*sparsity, "sparsity_config", "format").value_or("not said");
    if (format == "dense") return;
    errors_.add(fail(ErrorCode::input, Place{place_.file, {}},
                     printable(place_.member("sparsity_config")) +
                         ": sparse weights (format: " + printable(format) + ") are not supported"));
  }

  // Null is not said.
  static const json::Node* member_of(const json::Node& object, std::string_view key) {
    const json::Node* node = object.find(key);
    return node == nullptr || node->kind == json::Kind::null ? nullptr : node;
  }

  std::optional<std::int64_t> integer_of(const json::Node& object, const std::string& at,
                                         const std::string& key) {
    const json::Node* node = member_of(object, key);
    if (node == nullptr) return std::nullopt;
    if (!node->as_integer().has_value()) error(below(at, key), node_text(*node), "an integer");
    return node->as_integer();
  }

  std::optional<bool> boolean_of(const json::Node& object, const std::string& at,
                                 const std::string& key) {
    const json::Node* node = member_of(object, key);
    if (node == nullptr) return std::nullopt;
    if (!node->as_boolean().has_value()) error(below(at, key), node_text(*node), "true or false");
    return node->as_boolean();
  }

  std::optional<std::string> string_of(const json::Node& object, const std::string& at,
                                       const std::string& key) {
    const json::Node* node = member_of(object, key);
    if (node == nullptr) return std::nullopt;
    const std::optional<std::string_view> text = node->as_string();
    if (text.has_value()) return lower_case(*text);
    error(below(at, key), node_text(*node), "a string");
    return std::nullopt;
  }

  static std::string below(const std::string& at, const std::string& key) {
    return at.empty() ? key : at + "." + key;
  }

  void error(const std::string& key, std::string_view got, std::string_view expected) {
    errors_.add(fail(ErrorCode::input, Place{place_.file, {}}, printable(place_.member(key)), got,
                     expected));
  }

  const ConfigPlace& place_;
  ErrorList& errors_;
  std::vector<std::string>& warnings_;
  std::vector<CompressedGroup> groups_;
  Targets targets_;
  bool understood_ = true;
  std::string others_;  // the format of the first group that is not read
};

}  // namespace

bool is_compressed_config(const json::Node& config) {
  for (const std::string_view key : {"quant_method", "method"}) {
    const json::Node* method = config.find(key);
    if (method == nullptr || method->kind == json::Kind::null) continue;
    const std::optional<std::string_view> text = method->as_string();
    return text.has_value() && lower_case(*text) == kCompressedMethod;
  }
  return config.find("config_groups") != nullptr;
}

CompressedConfig read_compressed_config(const ConfigPlace& place, ErrorList& errors,
                                        std::vector<std::string>& warnings) {
  return Reader(place, errors, warnings).read();
}

}  // namespace thaw
