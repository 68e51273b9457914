#include "sink/run_state.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <utility>

#include "base/text.h"
#include "io/output_file.h"
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
std::string identity_text(const DirectoryIdentity& identity) {
  std::string text = "\"";
  text += std::to_string(identity.device);
  text += ':';
  text += std::to_string(identity.inode);
  return text += '"';
}

std::optional<DirectoryIdentity> identity_from(const json::Node* node) {
  const std::optional<std::string_view> text = node != nullptr ? node->as_string() : std::nullopt;
  if (!text) return std::nullopt;
  DirectoryIdentity identity;
  const char* const end = text->data() + text->size();
  const auto first = std::from_chars(text->data(), end, identity.device);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, identity.inode);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return identity;
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
  DirectoryIdentity identity(const char* key) {
    const auto value = identity_from(node_.find(key));
    if (!value) note(key);
    return value.value_or(DirectoryIdentity());
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
  publication.fresh = own.identity("fresh");
  if (node.find("old") != nullptr) publication.old = own.identity("old");
  publication.backup = own.flag("backup");
  publication.keep = own.flag("keep");
  if (!own.wrong().empty()) members.note("publication");
  return publication;
}

}  // namespace

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
  if (state.publication) {
    const Publication& publication = *state.publication;
    text += ",\n \"publication\": {\"fresh\": ";
    text += identity_text(publication.fresh);
    if (publication.old) {
      text += ", \"old\": ";
      text += identity_text(*publication.old);
    }
    text += std::string(", \"backup\": ") + (publication.backup ? "true" : "false");
    text += std::string(", \"keep\": ") + (publication.keep ? "true" : "false") + "}";
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

Status save_run_state(FileSystem& file_system, const std::string& directory,
                      const std::string& name, const RunState& state) {
  const std::string text = run_state_text(state);
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".new";
  const OutputSettings plain{.direct = false, .window = 0};
  THAW_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::create(file_system, temporary, text.size(), plain));
  THAW_RETURN_IF_ERROR(file.write(0, std::as_bytes(std::span(text))));
  THAW_RETURN_IF_ERROR(file.finish());
  THAW_RETURN_IF_ERROR(rename_path(file_system, temporary, path));
  return sync_directory(file_system, directory);
}

Status check_inputs_of(const RunState& state, const PlannedFiles& plan,
                       const std::string& directory) {
  const bool same_host = state.holder.host == printable(this_run().host);
  return check_input_marks(directory, state.inputs, input_marks(plan), same_host);
}

Result<RunState> load_run_state(FileSystem& file_system, const std::string& path) {
  if (is_link(path)) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "is a symbolic link");
  }
  THAW_ASSIGN_OR_RETURN(const std::string text, read_file(file_system, path, kMostBytes));
  return parse_run_state(path, text);
}

}  // namespace thaw
