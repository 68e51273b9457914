// open_checkpoint, stage by stage. All errors of a stage are reported together.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/companions.h"
#include "checkpoint/download_hint.h"
#include "checkpoint/file_role.h"
#include "checkpoint/header.h"
#include "checkpoint/index.h"
#include "checkpoint/names.h"
#include "checkpoint/place.h"
#include "checkpoint/shard.h"
#include "checkpoint/shard_set.h"
#include "checkpoint/side_files.h"
#include "checkpoint/single_file.h"
#include "checkpoint/stale_index.h"
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

Status fail_pointer(const std::string& path) {
  return fail(ErrorCode::input, {.file = path, .tensor = {}},
              "is a pointer of Git LFS, not the file itself", "Fetch the files with: git lfs pull");
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
  CheckpointBuilder(FileSystem& file_system, const std::string& model, ModelPlace place,
                    OpenOptions options)
      : file_system_(file_system),
        place_(std::move(place)),
        options_(options),
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
  // Weights that neither index nor name says to be the model's: those that are become shards.
  Status read_companions();
  // What else is in the directory.
  Status read_side_files();

  Checkpoint take() { return Checkpoint(std::move(state_)); }

 private:
  // The JSON object in a file beside the weights; nothing when there is no such file.
  Result<std::optional<json::Node>> read_object(std::string_view name, std::string* text);
  Status open_index(const std::string& name);
  // Leaves an index aside that does not name model.safetensors, which is there.
  void leave_stale_index();
  Status find_shards();
  Status check_names_differ();
  Status add_shard(const std::string& name);
  void warn(const std::string& name, const std::string& what);
  void warn_of_companions(const std::vector<std::string>& names, const std::string& what);
  void sort_tensors();

  FileSystem& file_system_;
  ModelPlace place_;
  OpenOptions options_;
  std::unique_ptr<Checkpoint::State> state_;
  std::vector<DirectoryEntry> entries_;       // of the directory; empty for a bare file
  std::set<std::string, std::less<>> stale_;  // weights that stay behind
  std::optional<MappedFile> index_;
  std::vector<std::string> shard_names_;
};

Result<std::optional<json::Node>> CheckpointBuilder::read_object(std::string_view name,
                                                                 std::string* text) {
  const std::string path = join_path(place_.directory, name);
  if (!exists(path)) return std::optional<json::Node>();
  THAW_RETURN_IF_ERROR(check_regular_file(path));
  THAW_ASSIGN_OR_RETURN(std::string content, read_file(file_system_, path, kLargestConfig));
  if (content.empty()) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "is empty", download_hint(path));
  }
  if (is_lfs_pointer(content)) return fail_pointer(path);
  THAW_ASSIGN_OR_RETURN(json::Node node, json::parse(path, content, {.python_numbers = true}));
  if (!node.is_object()) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "the file holds",
                json::kind_text(node.kind), "an object");
  }
  if (text != nullptr) *text = std::move(content);
  return std::optional<json::Node>(std::move(node));
}

Status CheckpointBuilder::open_index(const std::string& name) {
  const std::string path = join_path(place_.directory, name);
  THAW_RETURN_IF_ERROR(check_regular_file(path));
  THAW_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(file_system_, path));
  if (file.size() > kLargestIndex) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "the size of the index",
                std::to_string(file.size()) + " bytes", "at most " + std::to_string(kLargestIndex));
  }
  if (is_lfs_pointer(text_of(file.bytes()))) return fail_pointer(path);
  index_ = std::move(file);
  state_->index_path = path;
  THAW_ASSIGN_OR_RETURN(shard_names_, shards_of_index(path, text_of(index_->bytes())));
  return index_->check_unchanged();
}

void CheckpointBuilder::warn(const std::string& name, const std::string& what) {
  state_->warnings.push_back(printable(join_path(place_.directory, name)) + ": " + what);
}

// As transformers, which looks for model.safetensors first. Where the index names it, the index
// counts: it adds what lies beside it.
void CheckpointBuilder::leave_stale_index() {
  const bool single =
      std::any_of(entries_.begin(), entries_.end(),
                  [](const DirectoryEntry& entry) { return entry.name == kSingleName; });
  const std::string single_name(kSingleName);
  const bool named =
      std::find(shard_names_.begin(), shard_names_.end(), single_name) != shard_names_.end();
  if (!single || named) return;
  warn(std::string(kIndexName),
       "is left aside: it does not name model.safetensors, which is there and is read, as "
       "transformers does; remove what is not meant");
  stale_.insert(shard_names_.begin(), shard_names_.end());
  shard_names_ = {single_name};
  index_.reset();
  state_->index_path.clear();
}

Status CheckpointBuilder::find_shards() {
  if (!place_.file.empty()) {
    shard_names_ = {place_.file};
    if (options_.this_file_only) return {};
    return check_is_whole(file_system_, place_.directory, place_.file);
  }
  THAW_ASSIGN_OR_RETURN(entries_, list_directory(place_.directory));
  std::string base_name;
  for (const Checkpoint::QuantizationFile& file : state_->quantization_files) {
    const json::Node* name = file.content.find("model_file_base_name");
    if (name != nullptr && name->as_string()) base_name = *name->as_string();
  }
  const std::string index = index_name(entries_);
  if (index.empty()) {
    THAW_ASSIGN_OR_RETURN(shard_names_,
                          shards_without_index(place_.directory, entries_, base_name));
    return {};
  }
  THAW_RETURN_IF_ERROR(open_index(index));
  leave_stale_index();
  if (!index_) return {};
  return check_index_is_fresh(place_.directory, index, entries_, shard_names_);
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
  Status found = find_shards();
  if (!found.ok()) shard_names_.clear();  // the error says more than what is missing of them
  errors.add(std::move(found));
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
        "is in two shards, the other is " + printable(state_->shards[tensors[i - 1].shard].name),
        "One of them is not of this model: move it away, or fetch both anew. " +
            download_hint(file)));
  }
  return errors.take();
}

void CheckpointBuilder::sort_tensors() {
  std::sort(state_->tensors.begin(), state_->tensors.end(), [](const Tensor& a, const Tensor& b) {
    return a.name != b.name ? a.name < b.name : a.shard < b.shard;
  });
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
  sort_tensors();
  return check_names_differ();
}

Status CheckpointBuilder::compare_index() {
  if (!index_) return {};
  Status status =
      check_index(index_->path(), text_of(index_->bytes()), state_->shards, state_->tensors);
  if (!status.ok()) {
    Error error = std::move(status).take_error();
    if (error.hint.empty()) {
      error.hint = index_hint(index_->path(), place_.directory, entries_, shard_names_);
    }
    return Status(std::move(error));
  }
  index_->unmap_pages(0, index_->size());
  index_->drop_cache(0, index_->size());
  return index_->check_unchanged();
}

Status CheckpointBuilder::add_shard(const std::string& name) {
  TensorTable table;
  table.arena = std::move(state_->arena);
  table.tensors = std::move(state_->tensors);
  table.metadata.insert(state_->metadata.begin(), state_->metadata.end());
  auto shard = open_shard(file_system_, place_.directory, name,
                          static_cast<std::uint32_t>(state_->shards.size()), table);
  THAW_RETURN_IF_ERROR(shard.ok() ? Status() : std::move(shard).take_status());
  state_->shards.push_back(std::move(shard).value());
  state_->arena = std::move(table.arena);
  state_->tensors = std::move(table.tensors);
  state_->metadata.assign(table.metadata.begin(), table.metadata.end());
  shard_names_.push_back(name);
  sort_tensors();
  return check_names_differ();
}

void CheckpointBuilder::warn_of_companions(const std::vector<std::string>& names,
                                           const std::string& what) {
  constexpr std::size_t kMostNamed = 5;
  if (names.empty()) return;
  std::string text = what + ": ";
  for (std::size_t i = 0; i < names.size() && i < kMostNamed; ++i) {
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  }
  if (names.size() > kMostNamed) {
    text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  }
  state_->warnings.push_back(printable(place_.directory) + ": " + text);
}

Status CheckpointBuilder::read_companions() {
  const bool expected = has_prediction_blocks(state_->config);
  std::vector<std::string> unnamed;
  std::vector<std::string> left;
  std::vector<std::string> carried;
  Failures errors;
  for (const DirectoryEntry& entry : entries_) {
    if (entry.kind != FileKind::regular || !entry.name.ends_with(kWeightEnding)) continue;
    if (std::find(shard_names_.begin(), shard_names_.end(), entry.name) != shard_names_.end()) {
      continue;
    }
    if (stale_.count(entry.name) != 0) continue;  // said with the index
    const FileRole role = role_of(entry.name, "");
    if (role == FileRole::adapter || lowered_name(entry.name).starts_with("consolidated")) continue;
    auto kind =
        companion_kind(file_system_, place_.directory, entry.name, state_->tensors, expected);
    if (!kind.ok()) {
      errors.add(std::move(kind).take_status());
    } else if (kind.value() == CompanionKind::part) {
      errors.add(add_shard(entry.name));
    } else if (kind.value() == CompanionKind::separate && role == FileRole::side_file) {
      carried.push_back(entry.name);
    } else {
      (kind.value() == CompanionKind::unnamed ? unnamed : left).push_back(entry.name);
      stale_.insert(entry.name);
    }
  }
  warn_of_companions(unnamed,
                     "blocks for predicting further tokens are left behind, because neither an "
                     "index nor config.json speaks of them");
  warn_of_companions(left, "weights that nothing names as a part of this model are left behind");
  warn_of_companions(carried,
                     "weights that nothing names as a part of this model are carried as they are");
  return errors.take();
}

Status CheckpointBuilder::read_side_files() {
  if (!state_->is_directory) {
    state_->files_not_carried = companions_of_file(place_.directory);
    return {};
  }
  std::set<std::string, std::less<>> own(shard_names_.begin(), shard_names_.end());
  own.emplace(kConfigName);
  if (!state_->index_path.empty()) {
    own.emplace(state_->index_path.substr(state_->index_path.rfind('/') + 1));
  }
  THAW_ASSIGN_OR_RETURN(SideFiles files,
                        collect_side_files(file_system_, place_.directory, own, stale_));
  state_->side_files = std::move(files.carried);
  state_->adapter_files = std::move(files.adapters);
  state_->files_not_carried = std::move(files.left);
  warn_of_companions(files.pointers,
                     "pointers of Git LFS are carried in place of the files themselves (git lfs "
                     "pull fetches them)");
  return {};
}

Result<Checkpoint> open_checkpoint(FileSystem& file_system, const std::string& model,
                                   OpenOptions options) {
  THAW_ASSIGN_OR_RETURN(ModelPlace place, find_model(model));
  // From here on there is a directory, or a file in one.
  CheckpointBuilder builder(file_system, model, std::move(place), options);
  THAW_RETURN_IF_ERROR(builder.read_directory());
  // From here on the configs are objects, and the shards are regular files of that directory.
  THAW_RETURN_IF_ERROR(builder.read_headers());
  // From here on every tensor lies inside its shard, no two overlap and no two share a name.
  THAW_RETURN_IF_ERROR(builder.compare_index());
  // From here on the index may be forgotten: it says nothing that the headers do not.
  THAW_RETURN_IF_ERROR(builder.read_companions());
  // From here on all tensors of the model are known.
  THAW_RETURN_IF_ERROR(builder.read_side_files());
  return builder.take();
}

}  // namespace thaw
