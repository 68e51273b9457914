// A walk over the members of one JSON object that may be 100 MB long, in the memory of its
// longest member: for safetensors headers and indexes. As strict as json::parse, but for keys
// that stand twice in the walked object itself: the caller, who keeps the keys, looks for those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "json/node.h"

namespace thaw::json {

// A valid value. A borrow: what ObjectWalk::value() gives, until the walk moves or ends; what a
// visitor gets, until it returns.
class Value {
 public:
  [[nodiscard]] Kind kind() const;
  [[nodiscard]] std::optional<std::string_view> as_string() const;  // unescaped
  // An integer of 0 to 2^64 - 1, written as one.
  [[nodiscard]] std::optional<std::uint64_t> as_unsigned() const;
  // The number of items of an array or of members of an object; 0 for others.
  [[nodiscard]] std::size_t size() const;
  // The items of an array, the members of an object, in order; nothing for others.
  void each_item(const std::function<void(Value)>& visit) const;
  void each_member(const std::function<void(std::string_view, Value)>& visit) const;
  // The value as JSON, for a message: safe for a terminal and short.
  [[nodiscard]] std::string text() const;

 private:
  friend class ObjectWalk;
  explicit Value(const void* element) : element_(element) {}
  const void* element_;  // a simdjson::dom::element, which this header does not make others read
};

struct WalkOptions {
  std::size_t most_depth = 8;
  // What a walk may hold in memory, times ten. No real header comes near.
  std::size_t most_member_bytes = 16u << 20;
};

class ObjectWalk {
 public:
  // `text` holds one object and must outlive the walk; it stands at `offset` of `file` (the name
  // for messages).
  ObjectWalk(std::string_view file, std::string_view text, std::uint64_t offset,
             const WalkOptions& options = {});
  ~ObjectWalk();

  // Moves to the first or next member, after checking the value of the current one if nobody
  // has. False at the end, and on an error: status() tells.
  [[nodiscard]] bool next();
  [[nodiscard]] Status status();

  // Of the current member.
  [[nodiscard]] std::string_view key() const;  // unescaped
  [[nodiscard]] std::uint64_t offset() const;  // of the key's quote in the file
  // The value; nothing when it is malformed, which ends the walk.
  [[nodiscard]] std::optional<Value> value();
  // Walks the value instead, an object of any size. This walk's next() relies on the other having
  // been taken to its end without error.
  [[nodiscard]] ObjectWalk enter();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "an object", "a string", ...: what was found, for a message.
[[nodiscard]] std::string_view kind_text(Kind kind);

}  // namespace thaw::json
