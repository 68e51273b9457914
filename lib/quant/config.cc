#include "quant/config.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "quant/compressed_config.h"
#include "quant/config_places.h"
#include "quant/methods.h"
#include "quant/mlx_config.h"
#include "quant/rotations.h"
#include "quant/scaled_config.h"

namespace thaw {

namespace {

std::string value_text(std::int64_t value) { return std::to_string(value); }
std::string value_text(bool value) { return value ? "true" : "false"; }
std::string value_text(const std::string& value) { return printable(value); }

}  // namespace

std::string node_text(const json::Node& node) {
  switch (node.kind) {
    case json::Kind::null:
      return "null";
    case json::Kind::boolean:
      return value_text(node.boolean);
    case json::Kind::integer:
      return value_text(node.integer);
    case json::Kind::number:
      return "a number that is not a 64-bit integer";
    case json::Kind::string:
      return std::string("\"").append(printable(node.string)).append("\"");
    case json::Kind::array:
      return "an array";
    case json::Kind::object:
      return "an object";
  }
  return "";
}

namespace {

// A value, and where it was said.
template <typename T>
struct Said {
  std::optional<T> value;
  std::string file;  // path
  std::string name;  // "config.json"
  std::string key;   // "quantization_config.bits"
};

std::optional<std::int64_t> convert(const json::Node& node, std::int64_t) {
  return node.as_integer();
}
std::optional<bool> convert(const json::Node& node, bool) { return node.as_boolean(); }
std::optional<std::string> convert(const json::Node& node, const std::string&) {
  const std::optional<std::string_view> text = node.as_string();
  return text.has_value() ? std::optional(lower_case(*text)) : std::nullopt;
}

// Reads all places, key by key; what is said first wins, and what contradicts it is a warning.
struct Reader {
  // `spellings` in order of precedence. A null value is not said.
  template <typename T>
  void take(const ConfigPlace& place, Said<T>& said, std::initializer_list<const char*> spellings,
            std::string_view expected) {
    for (const char* spelling : spellings) {
      const json::Node* node = place.node->find(spelling);
      if (node == nullptr || node->kind == json::Kind::null) continue;
      const std::string key = place.member(spelling);
      std::optional<T> value = convert(*node, T{});
      if (!value.has_value()) {
        errors.add(fail(ErrorCode::input, Place{place.file, {}}, printable(key), node_text(*node),
                        expected));
      } else if (!said.value.has_value()) {
        said = {std::move(value), place.file, place.name, key};
      } else if (*said.value != *value) {
        warnings.push_back(said.name + " says " + printable(said.key) + " = " +
                           value_text(*said.value) + " but " + place.name + " says " +
                           printable(key) + " = " + value_text(*value) + "; the first is believed");
      }
    }
  }

  // The method decides what the other keys mean, so it is read first.
  void take_method(const ConfigPlace& place) {
    if (!place.node->is_object()) return;
    take(place, method, {"quant_method", "method"}, "a string");
    take(place, packing_format, {"packing_format"}, "a string");
    // ModelOpt's own file has no need to say whose it is.
    if (!method.value.has_value() && place.name == kModelOptFile) {
      method = {std::string(kModelOptMethod), place.file, place.name, place.key};
    }
  }

  // Their other keys mean other things than those of integer codes.
  [[nodiscard]] bool holds_small_floats() const {
    return is_scaled_method(method.value.value_or("")) ||
           is_scaled_packing(packing_format.value.value_or(""));
  }

  // Configs of old tools name no method; a format that only GPTQ has will do.
  void take_method_from_format(const ConfigPlace& place) {
    for (const char* key : {"checkpoint_format", "format"}) {
      const json::Node* node = place.node->find(key);
      if (node == nullptr || method.value.has_value()) continue;
      if (lower_case(node->as_string().value_or("")).starts_with("gptq")) {
        method = {"gptq", place.file, place.name, place.member(key)};
      }
    }
  }

  void take_overrides(const ConfigPlace& place) {
    using Kind = Overrides::Kind;
    for (const auto& [key, kind] : {std::pair<std::string, Kind>{"dynamic", Kind::dynamic},
                                    {"extra_config", Kind::extra_config}}) {
      const json::Node* node = place.node->find(key);
      if (node == nullptr || node->kind == json::Kind::null || !overrides.empty()) continue;
      overrides.read(kind, place, key, *node, errors);
    }
  }

  void take_all(const ConfigPlace& place) {
    if (!place.node->is_object()) {  // never a whole file: the checkpoint refuses those
      errors.add(fail(ErrorCode::input, Place{place.file, {}}, printable(place.key),
                      node_text(*place.node), "an object"));
      return;
    }
    take(place, method, {"quant_method", "method"}, "a string");
    check_rotation(place);
    if (is_compressed_config(*place.node)) {
      take_compressed(place);
      return;
    }
    if (holds_small_floats()) {
      read_scaled_config(place, scaled, errors);
      return;
    }
    const std::string said = method.value.value_or("");
    if (said.find("gptq") == std::string::npos && said.find("auto-round") == std::string::npos) {
      take(place, version, {"version", "format"}, "a string");
    } else {
      take(place, checkpoint_format, {"checkpoint_format", "format"}, "a string");
      take_overrides(place);
    }
    if (said.find("awq") == std::string::npos) take(place, symmetric, {"sym"}, "true or false");
    take(place, backend, {"backend"}, "a string");
    take(place, packing_format, {"packing_format"}, "a string");
    take(place, bits, {"bits", "w_bit", "wbits"}, "an integer");
    take(place, group_size, {"group_size", "q_group_size", "groupsize"}, "an integer");
    take(place, zero_point, {"zero_point"}, "true or false");
  }

  void check_rotation(const ConfigPlace& place) {
    const RotationClaims claims = read_rotations(*place.node);
    fused_transforms = fused_transforms || claims.fused_transforms;
    if (claims.online_key.empty()) return;
    errors.add(fail(ErrorCode::input, Place{place.file, {}},
                    printable(place.member(claims.online_key)) + ": " + std::string(kRotatedBasis),
                    kRotatedHint));
  }

  // The first place that has groups is believed.
  void take_compressed(const ConfigPlace& place) {
    CompressedConfig read = read_compressed_config(place, errors, warnings);
    is_compressed = true;
    if (compressed.groups.empty()) {
      compressed = std::move(read);
    } else if (!read.groups.empty() && read.groups != compressed.groups) {
      warnings.push_back(printable(place.text()) + " says other config_groups than a place before");
    }
  }

  Said<std::string> method, version, backend, packing_format, checkpoint_format;
  Said<std::int64_t> bits, group_size;
  Said<bool> zero_point, symmetric;
  Overrides overrides;
  CompressedConfig compressed;
  ScaledClaims scaled;
  bool is_compressed = false;
  bool fused_transforms = false;
  std::vector<std::string> warnings;
  ErrorList errors;
};

template <typename T>
void check(Reader& reader, const Said<T>& said, bool good, std::string_view expected) {
  if (!said.value.has_value() || good) return;
  reader.errors.add(fail(ErrorCode::input, Place{said.file, {}}, printable(said.key),
                         value_text(*said.value), expected));
}

}  // namespace

Result<QuantConfig> read_quant_config(const Checkpoint& checkpoint) {
  const std::vector<ConfigPlace> places = find_config_places(checkpoint);
  Reader reader;
  for (const ConfigPlace& place : places) reader.take_method(place);
  for (const ConfigPlace& place : places) reader.take_method_from_format(place);
  for (const ConfigPlace& place : places) reader.take_all(place);

  QuantConfig config;
  config.mlx = read_mlx_config(checkpoint, reader.errors);
  if (config.mlx.said && !reader.method.value.has_value()) config.method = kMlxMethod;
  if (!places.empty()) config.source = printable(places.front().text());
  config.method = reader.method.value.value_or(config.method);
  if (reader.is_compressed && !reader.method.value.has_value()) config.method = kCompressedMethod;
  config.compressed = std::move(reader.compressed.groups);
  if (config.method == kCompressedMethod) {
    const auto in_bytes = [](const CompressedGroup& group) {
      return group.form == CodeForm::bytes;
    };
    const auto& groups = config.compressed;
    const bool all = !groups.empty() && std::all_of(groups.begin(), groups.end(), in_bytes);
    config.version = all ? kIntQuantized : kPackQuantized;
  }
  config.targets = std::move(reader.compressed.targets);
  config.scaled = reader.scaled;
  config.version = reader.version.value.value_or(config.version);
  config.bits = reader.bits.value;
  config.group_size = reader.group_size.value;
  config.zero_point = reader.zero_point.value;
  config.symmetric = reader.symmetric.value;
  const std::string backend = reader.backend.value.value_or("");
  config.fused_transforms = reader.fused_transforms;
  config.says_format = reader.checkpoint_format.value || reader.packing_format.value;
  config.llm_awq = backend == "llm-awq" || config.version == "llm-awq";

  // Only the method is reported where it is another one: its other keys have other meanings.
  const MethodClaim claim{
      .method = config.method,
      .packing_format = reader.packing_format.value.value_or(""),
      .backend = backend,
      .checkpoint_format = reader.checkpoint_format.value.value_or(""),
      .says_layout = reader.method.value || reader.version.value || config.llm_awq};
  const std::string refused = refuse_method(claim);
  if (!refused.empty()) {
    return fail(ErrorCode::input, Place{reader.method.file, {}}, refused, kMethodsHint);
  }
  config.packing = packing_of(claim);
  config.planes = claim.checkpoint_format == "gptq_p" && config.packing == Packing::gptq_v2;
  check(reader, reader.version, is_known_version(config.version), kVersionsText);
  if (config.packing == Packing::awq) {
    check(reader, reader.bits, config.bits == 4, "4, the only width that AWQ has");
  } else {
    check(reader, reader.bits, config.bits >= 2 && config.bits <= 8, "2 to 8");
  }
  const std::int64_t group = config.group_size.value_or(kDefaultGroupSize);
  check(reader, reader.group_size, group == -1 || (group >= 1 && group <= kLargestGroup),
        "-1 or 1 to " + std::to_string(kLargestGroup));
  THAW_RETURN_IF_ERROR(reader.errors.take());
  config.warnings = std::move(reader.warnings);
  config.overrides = std::move(reader.overrides);
  return config;
}

ModuleClaims QuantConfig::claims_of(std::string_view module) const {
  const ModuleClaims own = overrides.find(module);
  return {.bits = own.bits ? own.bits : bits,
          .group_size = own.group_size ? own.group_size : group_size,
          .symmetric = own.symmetric ? own.symmetric : symmetric};
}

}  // namespace thaw
