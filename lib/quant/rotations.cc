#include "quant/rotations.h"

#include <algorithm>
#include <array>

#include "quant/methods.h"

namespace thaw {

namespace {

bool says_something(const json::Node& value) {
  switch (value.kind) {
    case json::Kind::null:
      return false;
    case json::Kind::boolean:
      return value.boolean;
    case json::Kind::integer:
      return value.integer != 0;
    case json::Kind::number:
      return true;
    case json::Kind::string:
      return !value.string.empty();
    case json::Kind::array:
      return !value.items.empty();
    case json::Kind::object:
      return !value.members.empty();
  }
  return true;
}

bool names_rotation(std::string_view name) {
  const std::string lower = lower_case(name);
  return lower.find("rotation") != std::string::npos || lower.find("hadamard") != std::string::npos;
}

bool is_set(const json::Node& object, std::string_view key) {
  const json::Node* value = object.find(key);
  return value != nullptr && says_something(*value);
}

bool is_fused_location(std::string_view location) {
  return location == "weight_input" || location == "weight_output";
}

// config_groups of a transform_config, each with the places where it is applied. What is not
// understood is taken for one that the model applies when it runs.
bool all_fused(const json::Node& config) {
  const json::Node* groups = config.find("config_groups");
  if (groups == nullptr || !groups->is_object()) return false;
  for (const auto& [name, group] : groups->members) {
    const json::Node* apply = group.is_object() ? group.find("apply") : nullptr;
    if (apply == nullptr || apply->kind != json::Kind::array || apply->items.empty()) return false;
    for (const json::Node& place : apply->items) {
      const json::Node* location = place.is_object() ? place.find("location") : nullptr;
      if (location == nullptr) return false;
      if (!is_fused_location(lower_case(location->as_string().value_or("")))) return false;
    }
  }
  return true;
}

// auto-round: R1 and R2 are fused into the weights, R3 turns queries and keys alike and leaves the
// scores as they are. R4, and R1 where it is said to be, are applied to what goes into a linear.
std::string online_spinquant_key(const json::Node& config) {
  if (!config.is_object()) return {};
  if (is_set(config, "r4")) return "r4";
  const json::Node* r1 = config.find("r1");
  const bool has_r1 = r1 == nullptr || says_something(*r1);
  return has_r1 && is_set(config, "online_r1_rotation") ? "online_r1_rotation" : "";
}

void read(const json::Node& config, RotationClaims& claims) {
  for (const auto& [key, value] : config.members) {
    if (!claims.online_key.empty()) return;
    if (key == "transform_config") {
      if (!says_something(value)) continue;
      if (all_fused(value)) {
        claims.fused_transforms = true;
      } else {
        claims.online_key = key;
      }
    } else if (key == "spinquant_config") {
      const std::string online = online_spinquant_key(value);
      if (!online.empty()) claims.online_key = key + "." + online;
    } else if (names_rotation(key) && says_something(value)) {
      claims.online_key = key;
    } else {
      read(value, claims);
    }
  }
  for (const json::Node& item : config.items) {
    if (claims.online_key.empty()) read(item, claims);
  }
}

// "R1_weight_input" and below it weight or perm, as compressed-tensors calls its submodules.
bool is_fused_transform(std::string_view name) {
  const std::size_t last = name.rfind('.');
  if (last == std::string_view::npos || last == 0) return false;
  const std::string_view parameter = name.substr(last + 1);
  if (parameter != "weight" && parameter != "perm") return false;
  const std::string_view module = name.substr(0, last);
  const std::string_view transform = module.substr(module.rfind('.') + 1);
  return transform.ends_with("_weight_input") || transform.ends_with("_weight_output");
}

}  // namespace

Rotation rotation_of(std::string_view name, bool fused_transforms) {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  // The matrices of the model are called R1 to R4; what a linear's input goes through r1 and r4.
  constexpr std::array<std::string_view, 3> kFused = {"spinquant_R1", "spinquant_R2",
                                                      "spinquant_R3"};
  const auto begins = [&](std::string_view prefix) { return last.starts_with(prefix); };
  if (std::any_of(kFused.begin(), kFused.end(), begins)) return Rotation::fused;
  if (begins("spinquant_")) return Rotation::online;
  if (fused_transforms && is_fused_transform(name)) return Rotation::fused;
  return names_rotation(name) ? Rotation::online : Rotation::none;
}

RotationClaims read_rotations(const json::Node& config) {
  RotationClaims claims;
  read(config, claims);
  return claims;
}

}  // namespace thaw
