// open_checkpoint, stage by stage. All errors of a stage are reported together.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/header.h"
#include "checkpoint/index.h"
#include "checkpoint/names.h"
#include "checkpoint/place.h"
#include "checkpoint/shard.h"
#include "checkpoint/shard_set.h"
#include "checkpoint/side_files.h"
#include "checkpoint/state.h"
#include "io/directory.h"
#include "json/walk.h"

namespace thaw {

namespace {

constexpr std::uint64_t kLargestConfig = 16u << 20;
constexpr std::uint64_t kLargestIndex = kLongestHeader;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The failures of independent steps as one. A lone failure stays as it is, with its own count of
// what it left out.
class Failures {
 public:
  void add(Status status) {
    if (!status.ok()) all_.push_back(std::move(status));
  }
  [[nodiscard]] Status take() {
    if (all_.size() == 1) return std::move(all_.front());
    ErrorList list;
    for (Status& status : all_) list.add(std::move(status));
    return list.take();
  }

 private:
  std::vector<Status> all_;
};

}  // namespace

class CheckpointBuilder {
 public:
  CheckpointBuilder(FileSystem& file_system, const std::string& model, ModelPlace place)
      : file_system_(file_system),
        place_(std::move(place)),
        state_(std::make_unique<Checkpoint::State>()) {
    state_->path = model;
    state_->directory = place_.directory;
    state_->is_directory = place_.file.empty();
  }

  // The configs, and which files are the shards.
  Status read_directory();
  // Every shard's header, and that no tensor is in two of them.
  Status read_headers();
  // That the index, if there is one, says what the headers say.
  Status compare_index();
  // What else is in the directory.
  Status read_side_files();

  Checkpoint take() { return Checkpoint(std::move(state_)); }

 private:
  // The JSON object in a file beside the weights; nothing when there is no such file.
  Result<std::optional<json::Node>> read_object(std::string_view name, std::string* text);
  Status open_index();
  Status find_shards();
  Status check_names_differ();

  FileSystem& file_system_;
  ModelPlace place_;
  std::unique_ptr<Checkpoint::State> state_;
  std::optional<MappedFile> index_;
  std::vector<std::string> shard_names_;
};

Result<std::optional<json::Node>> CheckpointBuilder::read_object(std::string_view name,
                                                                 std::string* text) {
  const std::string path = join_path(place_.directory, name);
  if (!exists(path)) return std::optional<json::Node>();
  THAW_RETURN_IF_ERROR(check_regular_file(path));
  THAW_ASSIGN_OR_RETURN(std::string content, read_file(file_system_, path, kLargestConfig));
  THAW_ASSIGN_OR_RETURN(json::Node node, json::parse(path, content, {.python_numbers = true}));
  if (!node.is_object()) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "the file holds",
                json::kind_text(node.kind), "an object");
  }
  if (text != nullptr) *text = std::move(content);
  return std::optional<json::Node>(std::move(node));
}

Status CheckpointBuilder::open_index() {
  const std::string path = join_path(place_.directory, kIndexName);
  THAW_RETURN_IF_ERROR(check_regular_file(path));
  THAW_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(file_system_, path));
  if (file.size() > kLargestIndex) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "the size of the index",
                std::to_string(file.size()) + " bytes", "at most " + std::to_string(kLargestIndex));
  }
  index_ = std::move(file);
  state_->index_path = path;
  THAW_ASSIGN_OR_RETURN(shard_names_, shards_of_index(path, text_of(index_->bytes())));
  return index_->check_unchanged();
}

Status CheckpointBuilder::find_shards() {
  if (!place_.file.empty()) {
    shard_names_ = {place_.file};
    return {};
  }
  if (exists(join_path(place_.directory, kIndexName))) {
    THAW_RETURN_IF_ERROR(open_index());
  } else {
    THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries,
                          list_directory(place_.directory));
    THAW_ASSIGN_OR_RETURN(shard_names_, shards_without_index(place_.directory, entries));
  }
  return {};
}

Status CheckpointBuilder::read_directory() {
  Failures errors;
  auto config = read_object(kConfigName, &state_->config_text);
  if (!config.ok()) {
    errors.add(std::move(config).take_status());
  } else if (config.value()) {
    state_->config = *std::move(config).value();
  }
  for (const std::string_view name : quantization_names()) {
    std::string text;
    auto content = read_object(name, &text);
    if (!content.ok()) {
      errors.add(std::move(content).take_status());
    } else if (content.value()) {
      state_->quantization_files.push_back(
          {std::string(name), std::move(text), *std::move(content).value()});
    }
  }
  errors.add(find_shards());
  for (const std::string& name : shard_names_) {
    errors.add(check_regular_file(join_path(place_.directory, name)));
  }
  return errors.take();
}

Status CheckpointBuilder::check_names_differ() {
  ErrorList errors;
  const std::vector<Tensor>& tensors = state_->tensors;
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i - 1].name != tensors[i].name) continue;
    const std::string& file = state_->shards[tensors[i].shard].file.path();
    errors.add(fail(
        ErrorCode::input, {.file = file, .tensor = tensors[i].name},
        "is in two shards, the other is " + printable(state_->shards[tensors[i - 1].shard].name)));
  }
  return errors.take();
}

Status CheckpointBuilder::read_headers() {
  TensorTable table;
  Failures errors;
  for (const std::string& name : shard_names_) {
    auto shard = open_shard(file_system_, place_.directory, name,
                            static_cast<std::uint32_t>(state_->shards.size()), table);
    if (!shard.ok()) {
      errors.add(std::move(shard).take_status());
    } else {
      state_->shards.push_back(std::move(shard).value());
    }
  }
  THAW_RETURN_IF_ERROR(errors.take());
  state_->arena = std::move(table.arena);
  state_->tensors = std::move(table.tensors);
  state_->metadata.assign(table.metadata.begin(), table.metadata.end());
  std::sort(state_->tensors.begin(), state_->tensors.end(), [](const Tensor& a, const Tensor& b) {
    return a.name != b.name ? a.name < b.name : a.shard < b.shard;
  });
  return check_names_differ();
}

Status CheckpointBuilder::compare_index() {
  if (!index_) return {};
  THAW_RETURN_IF_ERROR(
      check_index(index_->path(), text_of(index_->bytes()), state_->shards, state_->tensors));
  index_->unmap_pages(0, index_->size());
  index_->drop_cache(0, index_->size());
  return index_->check_unchanged();
}

Status CheckpointBuilder::read_side_files() {
  if (!state_->is_directory) return {};
  std::set<std::string, std::less<>> own(shard_names_.begin(), shard_names_.end());
  own.emplace(kConfigName);
  own.emplace(kIndexName);
  THAW_ASSIGN_OR_RETURN(SideFiles files, collect_side_files(place_.directory, own));
  state_->side_files = std::move(files.carried);
  state_->files_not_carried = std::move(files.left);
  return {};
}

Result<Checkpoint> open_checkpoint(FileSystem& file_system, const std::string& model) {
  THAW_ASSIGN_OR_RETURN(ModelPlace place, find_model(model));
  // From here on there is a directory, or a file in one.
  CheckpointBuilder builder(file_system, model, std::move(place));
  THAW_RETURN_IF_ERROR(builder.read_directory());
  // From here on the configs are objects, and the shards are regular files of that directory.
  THAW_RETURN_IF_ERROR(builder.read_headers());
  // From here on every tensor lies inside its shard, no two overlap and no two share a name.
  THAW_RETURN_IF_ERROR(builder.compare_index());
  // From here on the index may be forgotten: it says nothing that the headers do not.
  THAW_RETURN_IF_ERROR(builder.read_side_files());
  return builder.take();
}

}  // namespace thaw
