#include "sink/run_state.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/text.h"
#include "io/atomic_file.h"
#include "json/node.h"
#include "json/write.h"
#include "plan/part.h"

namespace thaw {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostBytes = 16u << 20;

std::string hex(std::uint32_t number) {
  std::string text(8, '0');
  for (std::size_t i = 0; i < text.size(); ++i)
    text[7 - i] = "0123456789abcdef"[(number >> (4 * i)) & 15];
  return text;
}

std::optional<std::uint32_t> from_hex(std::string_view text) {
  std::uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || stop != text.data() + text.size() || text.size() != 8) {
    return std::nullopt;
  }
  return number;
}

// Inodes use all 64 bits, which JSON numbers do not hold everywhere: decimal text.
std::string known_text(const Known& known) {
  return "\"" + known.likeness + ":" + std::to_string(known.inode) + "\"";
}

bool is_token(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<Known> known_from(const json::Node* node) {
  const std::optional<std::string_view> text = node != nullptr ? node->as_string() : std::nullopt;
  const std::size_t colon = text ? text->find(':') : std::string_view::npos;
  if (colon == std::string_view::npos || !is_token(text->substr(0, colon))) return std::nullopt;
  Known known{.likeness = std::string(text->substr(0, colon)), .inode = 0};
  const char* const end = text->data() + text->size();
  const auto [stop, problem] = std::from_chars(text->data() + colon + 1, end, known.inode);
  if (problem != std::errc() || stop != end) return std::nullopt;
  return known;
}

// Reads members of known kinds; remembers the first that is missing or wrong.
class Members {
 public:
  explicit Members(const json::Node& node) : node_(node) {}
  std::string text(const char* key) {
    const json::Node* const node = node_.find(key);
    const auto value = node != nullptr ? node->as_string() : std::nullopt;
    if (!value) return note(key), std::string();
    return std::string(*value);
  }
  std::uint64_t number(const char* key) {
    const json::Node* const node = node_.find(key);
    const auto value = node != nullptr ? node->as_integer() : std::nullopt;
    if (!value || *value < 0) return note(key), 0;
    return static_cast<std::uint64_t>(*value);
  }
  bool flag(const char* key) {
    const json::Node* const node = node_.find(key);
    const auto value = node != nullptr ? node->as_boolean() : std::nullopt;
    if (!value) note(key);
    return value.value_or(false);
  }
  Known known(const char* key) {
    const auto value = known_from(node_.find(key));
    if (!value) note(key);
    return value.value_or(Known());
  }
  std::string token(const char* key) {
    std::string value = text(key);
    if (!is_token(value)) note(key);
    return value;
  }
  void note(const char* key) {
    if (wrong_.empty()) wrong_ = key;
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  const json::Node& node_;
  std::string wrong_;
};

Publication publication_from(const json::Node& node, Members& members) {
  Members own(node);
  Publication publication;
  publication.token = own.token("token");
  publication.fresh = own.known("fresh");
  if (node.find("old") != nullptr) publication.old = own.known("old");
  publication.keep = own.flag("keep");
  publication.purpose = own.text("purpose");
  if (!own.wrong().empty()) members.note("publication");
  return publication;
}

}  // namespace

std::string holder_text(const RunState& state) {
  return ": process " + std::to_string(state.holder.pid) + " on " + printable(state.holder.host) +
         ", since " + printable(state.holder.started);
}

std::string run_state_text(const RunState& state) {
  std::string text = "{\"version\": " + std::to_string(kVersion) + ", \"fingerprint\": ";
  json::append_string(text, state.fingerprint);
  text += ",\n \"pid\": " + std::to_string(state.holder.pid) + ", \"host\": ";
  json::append_string(text, state.holder.host);
  text += ", \"started\": ";
  json::append_string(text, state.holder.started);
  if (state.parts != 0) {
    text += ",\n \"parts\": " + std::to_string(state.parts) + ", \"complete\": ";
    text += state.complete ? "true" : "false";
  }
  if (!state.token.empty()) text += ",\n \"token\": \"" + state.token + "\"";
  if (state.publication) {
    const Publication& publication = *state.publication;
    text += ",\n \"publication\": {\"token\": \"" + publication.token + "\", \"fresh\": ";
    text += known_text(publication.fresh);
    if (publication.old) text += ", \"old\": " + known_text(*publication.old);
    text += std::string(", \"keep\": ") + (publication.keep ? "true" : "false");
    text += ", \"purpose\": ";
    json::append_string(text, publication.purpose);
    text += '}';
  }
  text += ",\n \"inputs\": [";
  const char* separator = "\n  ";
  for (const InputMark& input : state.inputs) {
    text += separator;
    text += "{\"name\": ";
    json::append_string(text, input.name);
    text += ", \"mark\": \"" + mark_text(input) + "\"}";
    separator = ",\n  ";
  }
  text += "],\n \"files\": [";
  separator = "\n  ";
  for (const FinishedFile& file : state.files) {
    text += separator;
    text += "{\"name\": ";
    json::append_string(text, file.name);
    text +=
        ", \"size\": " + std::to_string(file.size) + ", \"crc32\": \"" + hex(file.crc32) + "\"}";
    separator = ",\n  ";
  }
  return text + "]}\n";
}

Result<RunState> parse_run_state(std::string_view path, std::string_view text) {
  const Place place{.file = path, .tensor = {}};
  THAW_ASSIGN_OR_RETURN(const json::Node root,
                        json::parse(path, text, {.most_depth = 4, .most_bytes = kMostBytes}));
  const json::Node* const version = root.find("version");
  if (version == nullptr || version->as_integer() != kVersion) {
    return fail(ErrorCode::input, place, "is of another version");
  }
  RunState state;
  Members members(root);
  state.fingerprint = members.text("fingerprint");
  state.holder.pid = static_cast<std::int64_t>(members.number("pid"));
  state.holder.host = members.text("host");
  state.holder.started = members.text("started");
  if (root.find("parts") != nullptr) {
    const std::uint64_t parts = members.number("parts");
    if (parts == 0 || parts > kMostParts) members.note("parts");
    state.parts = static_cast<unsigned>(std::min<std::uint64_t>(parts, kMostParts));
    state.complete = members.flag("complete");
  }
  if (root.find("token") != nullptr) state.token = members.token("token");
  if (const json::Node* publication = root.find("publication")) {
    state.publication = publication_from(*publication, members);
  }
  const json::Node* const inputs = root.find("inputs");
  if (inputs != nullptr && inputs->kind != json::Kind::array) members.note("inputs");
  for (const json::Node& node : inputs != nullptr ? inputs->items : std::vector<json::Node>()) {
    Members own(node);
    InputMark mark;
    mark.name = own.text("name");
    if (!parse_mark(own.text("mark"), mark) || !own.wrong().empty()) members.note("inputs");
    state.inputs.push_back(std::move(mark));
  }
  const json::Node* const files = root.find("files");
  if (files == nullptr || files->kind != json::Kind::array) members.note("files");
  std::set<std::string, std::less<>> names;
  for (const json::Node& node : files != nullptr ? files->items : std::vector<json::Node>()) {
    Members own(node);
    FinishedFile file{.name = own.text("name"), .size = own.number("size"), .crc32 = 0};
    const std::optional<std::uint32_t> crc32 = from_hex(own.text("crc32"));
    if (!own.wrong().empty() || !crc32 || !names.insert(file.name).second) members.note("files");
    file.crc32 = crc32.value_or(0);
    state.files.push_back(std::move(file));
  }
  if (!members.wrong().empty()) {
    return fail(ErrorCode::input, place, "\"" + members.wrong() + "\" is missing or malformed");
  }
  return state;
}

Status save_run_state(const Folder& folder, const std::string& name, const RunState& state) {
  return save_file(folder, name, run_state_text(state));
}

Status check_inputs_of(const RunState& state, const std::vector<InputMark>& inputs,
                       const std::string& directory) {
  const bool same_host = state.holder.host == printable(this_run().host);
  return check_input_marks(directory, state.inputs, inputs, same_host);
}

Result<RunState> load_run_state(const Folder& folder, const std::string& name) {
  THAW_ASSIGN_OR_RETURN(const std::string text, folder.read(name, kMostBytes));
  return parse_run_state(folder.path_of(name), text);
}

}  // namespace thaw
