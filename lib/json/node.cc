#include "json/node.h"

namespace thaw::json {

Node::Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::optional<std::int64_t> Node::as_integer() const {
  if (kind != Kind::integer) return std::nullopt;
  return integer;
}

std::optional<bool> Node::as_boolean() const {
  if (kind != Kind::boolean) return std::nullopt;
  return boolean;
}

std::optional<std::string_view> Node::as_string() const {
  if (kind != Kind::string) return std::nullopt;
  return string;
}

}  // namespace thaw::json
