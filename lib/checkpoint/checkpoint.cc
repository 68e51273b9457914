#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cassert>

#include "checkpoint/state.h"

namespace thaw {

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const std::string& Checkpoint::path() const { return state_->path; }
const std::string& Checkpoint::directory() const { return state_->directory; }
const std::string& Checkpoint::index_path() const { return state_->index_path; }
bool Checkpoint::is_directory() const { return state_->is_directory; }
std::span<const Shard> Checkpoint::shards() const { return state_->shards; }
std::span<const Tensor> Checkpoint::tensors() const { return state_->tensors; }

const Tensor* Checkpoint::find(std::string_view name) const {
  const auto found = std::lower_bound(
      state_->tensors.begin(), state_->tensors.end(), name,
      [](const Tensor& tensor, std::string_view key) { return tensor.name < key; });
  return found != state_->tensors.end() && found->name == name ? &*found : nullptr;
}

std::span<const std::byte> Checkpoint::bytes(const Tensor& tensor) const {
  assert(tensor.shard < state_->shards.size());
  return state_->shards[tensor.shard].file.bytes().subspan(tensor.begin, tensor.size());
}

const std::string& Checkpoint::file_of(const Tensor& tensor) const {
  assert(tensor.shard < state_->shards.size());
  return state_->shards[tensor.shard].file.path();
}

std::span<const std::pair<std::string, std::string>> Checkpoint::metadata() const {
  return state_->metadata;
}

const std::string& Checkpoint::config_text() const { return state_->config_text; }
const json::Node& Checkpoint::config() const { return state_->config; }

std::string_view Checkpoint::model_type() const {
  const json::Node* type = state_->config.find("model_type");
  return type != nullptr ? type->as_string().value_or(std::string_view()) : std::string_view();
}

std::span<const Checkpoint::QuantizationFile> Checkpoint::quantization_files() const {
  return state_->quantization_files;
}

std::span<const SideFile> Checkpoint::side_files() const { return state_->side_files; }

std::span<const std::string> Checkpoint::files_not_carried() const {
  return state_->files_not_carried;
}

std::span<const SideFile> Checkpoint::adapter_files() const { return state_->adapter_files; }
std::span<const std::string> Checkpoint::warnings() const { return state_->warnings; }

}  // namespace thaw
