#include "plan/expert_tensors.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "model/config_number.h"

namespace thaw {

namespace {

std::size_t index_of(ExpertRole role) { return static_cast<std::size_t>(role); }

class Describer {
 public:
  explicit Describer(const ExpertRequest& request)
      : request_(request), form_(*request.spec->experts), checkpoint_(*request.checkpoint) {}

  Result<ExpertTensors> run() {
    for (const ExpertGroup& group :
         find_experts(checkpoint_, *request_.linears, *request_.spec, *request_.spec->experts)) {
      if (request_.form_of) {
        std::optional<ExpertForm> form = request_.form_of(group);
        if (!form) continue;
        form_ = std::move(*form);
      }
      if (group.is_split()) {
        form_.fused ? fuse(group) : rename(group);
      } else if (group.is_fused()) {
        form_.fused ? turn(group) : split(group);
      }
    }
    THAW_RETURN_IF_ERROR(errors_.take());
    return std::move(result_);
  }

 private:
  using Parts = std::vector<ExpertPart>;

  // Experts one by one, under the architecture's names.
  void rename(const ExpertGroup& group) {
    for (const auto& [number, expert] : group.experts) {
      for (const ExpertRole role : kExpertRoles) {
        const std::string& own = name_of(role);
        const std::string path = expert_path(group, number) + own;
        const ExpertSource& weight = expert.weights[index_of(role)];
        const ExpertSource& bias = expert.biases[index_of(role)];
        if (!weight.empty() && !is_called(weight.name(), own, ".weight")) {
          add(path + ".weight", weight.shape(), {matrix_of({all_of(weight)})});
        }
        if (!bias.empty() && !is_called(bias.name(), own, ".bias")) {
          add(path + ".bias", bias.shape(), {matrix_of({all_of(bias)})});
        }
      }
    }
  }

  // Parameters of all experts, one by one.
  void split(const ExpertGroup& group) {
    for (const auto& [source, roles] :
         {std::pair(&group.gate_up, std::vector{ExpertRole::gate, ExpertRole::up}),
          std::pair(&group.down, std::vector{ExpertRole::down})}) {
      if (!source->empty()) split_one(group, *source, roles, ".weight");
    }
    for (const auto& [source, roles] :
         {std::pair(&group.gate_up_bias, std::vector{ExpertRole::gate, ExpertRole::up}),
          std::pair(&group.down_bias, std::vector{ExpertRole::down})}) {
      if (!source->empty()) split_one(group, *source, roles, ".bias");
    }
  }

  void split_one(const ExpertGroup& group, const ExpertSource& source,
                 const std::vector<ExpertRole>& roles, const char* suffix) {
    std::vector<std::uint64_t> shape = source.shape();
    const std::uint64_t rows = shape[1];
    if (rows % roles.size() != 0 || !check_count(group, source, shape[0])) {
      return error(source, "its rows are not those of gate and up", shape_text(shape));
    }
    const std::uint64_t each = rows / roles.size();
    for (std::uint64_t e = 0; e < shape[0]; ++e) {
      for (std::size_t i = 0; i < roles.size(); ++i) {
        std::vector<std::uint64_t> extents = {each};
        if (shape.size() == 3) extents.push_back(shape[2]);
        ExpertPart part{source, (e * roles.size() + i) * each, each};
        if (!can_cut(part)) return;
        add(expert_path(group, e) + name_of(roles[i]) + suffix, extents,
            {matrix_of({std::move(part)})});
      }
    }
  }

  // Packed parameters whose last two dimensions the form has in the other order.
  void turn(const ExpertGroup& group) {
    const Orientation found = outputs_first(group, hidden_size(checkpoint_));
    turn_one(group, group.gate_up, found.gate_up, kGateUpName);
    turn_one(group, group.down, found.down, kDownName);
  }

  void turn_one(const ExpertGroup& group, const ExpertSource& source,
                std::optional<bool> outputs_come_first, std::string_view name) {
    if (source.linear == nullptr || !outputs_come_first) return;
    if (*outputs_come_first != form_.transposed) return;
    const std::vector<std::uint64_t> shape = source.shape();
    std::vector<ExpertMatrix> matrices;
    for (std::uint64_t e = 0; e < shape[0]; ++e) {
      ExpertPart part{source, e * shape[1], shape[1]};
      if (!can_cut(part)) return;
      matrices.push_back({{std::move(part)}, shape[2], true, false});
    }
    add(std::string(group.path).append(".").append(name), {shape[0], shape[2], shape[1]},
        std::move(matrices));
  }

  // Experts one by one become parameters of all.
  void fuse(const ExpertGroup& group) {
    if (group.is_fused()) {
      return error(group.gate_up.empty() ? group.down : group.gate_up,
                   "stands beside experts one by one", "");
    }
    if (!check_complete(group)) return;
    fuse_weights(group, {ExpertRole::gate, ExpertRole::up}, kGateUpName);
    fuse_weights(group, {ExpertRole::down}, kDownName);
    fuse_biases(group, {ExpertRole::gate, ExpertRole::up}, kGateUpName);
    fuse_biases(group, {ExpertRole::down}, kDownName);
  }

  void fuse_weights(const ExpertGroup& group, const std::vector<ExpertRole>& roles,
                    std::string_view name) {
    const std::vector<std::uint64_t> shape =
        group.experts.begin()->second.weights[index_of(roles[0])].shape();
    std::vector<ExpertMatrix> matrices;
    for (const auto& [number, expert] : group.experts) {
      Parts parts;
      for (const ExpertRole role : roles) parts.push_back(all_of(expert.weights[index_of(role)]));
      const bool interleaved = form_.interleaved && parts.size() > 1;
      matrices.push_back({std::move(parts), shape[1], form_.transposed, interleaved});
    }
    const std::uint64_t rows = roles.size() * shape[0];
    std::vector<std::uint64_t> extents = {group.experts.size(), rows, shape[1]};
    if (form_.transposed) std::swap(extents[1], extents[2]);
    add(std::string(group.path).append(".").append(name), extents, std::move(matrices));
  }

  void fuse_biases(const ExpertGroup& group, const std::vector<ExpertRole>& roles,
                   std::string_view name) {
    std::vector<ExpertMatrix> matrices;
    std::uint64_t rows = 0;
    for (const auto& [number, expert] : group.experts) {
      Parts parts;
      for (const ExpertRole role : roles) {
        const ExpertSource& bias = expert.biases[index_of(role)];
        if (bias.empty()) continue;
        if (!form_.biases) {
          result_.biases_left_out.push_back(bias.tensor);
          continue;
        }
        parts.push_back(all_of(bias));
        rows = bias.shape()[0];
      }
      if (parts.empty()) continue;
      // As matrices of one column they are never transposed.
      const bool interleaved = form_.interleaved && parts.size() > 1;
      matrices.push_back({std::move(parts), 1, false, interleaved});
    }
    if (matrices.empty()) return;
    add(std::string(group.path).append(".").append(name).append("_bias"),
        {group.experts.size(), roles.size() * rows}, std::move(matrices));
  }

  bool check_complete(const ExpertGroup& group) {
    const std::uint64_t count = group.experts.rbegin()->first + 1;
    const std::size_t before = failed_;
    if (count > kMostExperts) {
      error(first_of(group), "is an expert of a number that no model has", std::to_string(count));
      return false;
    }
    std::vector<std::string> missing;
    for (std::uint64_t e = 0; e < count; ++e) {
      const auto found = group.experts.find(e);
      for (const ExpertRole role : kExpertRoles) {
        if (found != group.experts.end() && !found->second.weights[index_of(role)].empty())
          continue;
        missing.push_back(std::to_string(e) + "." + name_of(role));
      }
    }
    if (!missing.empty()) {
      std::string names;
      for (std::size_t i = 0; i < missing.size() && i < 5; ++i) {
        names += (i == 0 ? "" : ", ") + printable(missing[i]);
      }
      if (missing.size() > 5) names += ", ... (" + std::to_string(missing.size()) + " in all)";
      error(first_of(group), "is an expert of a block that lacks others: " + names, "");
      return false;
    }
    check_count(group, first_of(group), count);
    const Expert& first = group.experts.begin()->second;
    for (const auto& [number, expert] : group.experts) {
      for (const ExpertRole role : kExpertRoles) {
        const std::size_t i = index_of(role);
        const ExpertRole like = role == ExpertRole::up ? ExpertRole::gate : role;
        const std::vector<std::uint64_t> want = first.weights[index_of(like)].shape();
        if (expert.weights[i].shape() != want) {
          error(expert.weights[i], "has another shape than the other experts",
                shape_text(expert.weights[i].shape()) + ", expected " + shape_text(want));
        }
        if (type_of(expert.weights[i]) != type_of(first.weights[index_of(like)])) {
          error(expert.weights[i],
                "has another type than the other experts, which become one tensor",
                std::string(dtype_name(type_of(expert.weights[i]))));
        }
        check_bias(expert.biases[i], first.biases[index_of(like)], want[0]);
      }
    }
    return failed_ == before;
  }

  void check_bias(const ExpertSource& bias, const ExpertSource& first, std::uint64_t rows) {
    if (bias.empty() != first.empty()) {
      return error(bias.empty() ? first : bias, "is a bias that other experts of the block lack",
                   "");
    }
    if (bias.empty()) return;
    if (bias.shape() != std::vector<std::uint64_t>{rows} || type_of(bias) != type_of(first)) {
      error(bias, "is another bias than its weight wants", shape_text(bias.shape()));
    }
  }

  // That there are as many experts as the config says; true where it says nothing.
  bool check_count(const ExpertGroup& group, const ExpertSource& source, std::uint64_t count) {
    const std::optional<std::uint64_t> said = config_number(checkpoint_.config(), form_.count);
    if (!said || *said == count) return true;
    error(source, "is one of " + std::to_string(count) + " experts at " + printable(group.path),
          "config.json says " + std::to_string(*said));
    return false;
  }

  ExpertSource first_of(const ExpertGroup& group) const {
    for (const auto& [number, expert] : group.experts) {
      for (const ExpertSource& weight : expert.weights) {
        if (!weight.empty()) return weight;
      }
      for (const ExpertSource& bias : expert.biases) {
        if (!bias.empty()) return bias;
      }
    }
    return {};
  }

  void error(const ExpertSource& source, const std::string& what, const std::string& got) {
    ++failed_;
    const Tensor& tensor = source.linear != nullptr ? source.linear->codes() : *source.tensor;
    errors_.add(fail(ErrorCode::input,
                     Place{checkpoint_.file_of(tensor), std::string(source.name())},
                     got.empty() ? what : what + ": " + got, request_.hint));
  }

  [[nodiscard]] const std::string& name_of(ExpertRole role) const {
    const auto& names = role == ExpertRole::gate ? form_.gate
                        : role == ExpertRole::up ? form_.up
                                                 : form_.down;
    return names.front();
  }
  static bool is_called(std::string_view name, const std::string& own, std::string_view suffix) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
    return name.ends_with("." + own);
  }
  static std::string expert_path(const ExpertGroup& group, std::uint64_t number) {
    return std::string(group.path) + "." + std::to_string(number) + ".";
  }

  // Of which one tensor has only one.
  [[nodiscard]] Dtype type_of(const ExpertSource& source) const {
    const Dtype output = request_.dtype.value_or(Dtype::f32);
    if (source.linear != nullptr) return output;
    const Dtype dtype = source.tensor->dtype;
    const bool follows =
        dtype == Dtype::f16 || dtype == Dtype::bf16 || (!request_.dtype && dtype == Dtype::f32);
    return follows ? output : dtype;
  }

  // All rows of a matrix, or all elements of a bias.
  static ExpertPart all_of(const ExpertSource& source) {
    const std::vector<std::uint64_t> shape = source.shape();
    std::uint64_t rows = shape[0];
    if (shape.size() == 3) rows *= shape[1];
    return {source, 0, rows};
  }

  static ExpertMatrix matrix_of(Parts parts) {
    const std::vector<std::uint64_t> shape = parts.front().source.shape();
    const bool bias = parts.front().source.linear == nullptr && shape.size() == 1;
    return {std::move(parts), bias ? 1 : shape.back(), false, false};
  }

  // Whether the rows can be made without others: packed rows come in blocks.
  bool can_cut(const ExpertPart& part) {
    const std::uint64_t block =
        part.source.linear != nullptr ? part.source.linear->layout->row_block : 1;
    if (part.first % block == 0 && part.rows % block == 0) return true;
    error(part.source, "cannot be divided where an expert ends", shape_text(part.source.shape()));
    return false;
  }

  void add(std::string name, std::vector<std::uint64_t> shape, std::vector<ExpertMatrix> matrices) {
    result_.tensors.push_back({std::move(name), std::move(shape), std::move(matrices)});
  }

  static constexpr std::uint64_t kMostExperts = 100'000;

  const ExpertRequest& request_;
  ExpertForm form_;  // of the group at hand
  const Checkpoint& checkpoint_;
  ExpertTensors result_;
  ErrorList errors_;
  std::size_t failed_ = 0;
};

std::optional<bool> only_one(bool yes, bool no) {
  return yes != no ? std::optional(yes) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> hidden_size(const Checkpoint& checkpoint) {
  return config_number(checkpoint.config(), {"hidden_size", "text_config.hidden_size"});
}

// With N outputs of one gate and K inputs: [2N, K] and [K, N], or [K, 2N] and [N, K].
Orientation outputs_first(const ExpertGroup& group, std::optional<std::uint64_t> hidden) {
  Orientation found;
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> last;
  if (!group.gate_up.empty()) first = group.gate_up.shape();
  if (!group.down.empty()) last = group.down.shape();
  if (first.size() == 3 && last.size() == 3) {
    found.gate_up = only_one(first[2] == last[1] && first[1] == 2 * last[2],
                             first[1] == last[2] && first[2] == 2 * last[1]);
    found.down = found.gate_up;
  }
  if (found.gate_up || !hidden) return found;
  if (first.size() == 3) found.gate_up = only_one(first[2] == *hidden, first[1] == *hidden);
  if (last.size() == 3) found.down = only_one(last[1] == *hidden, last[2] == *hidden);
  return found;
}

Result<ExpertTensors> describe_experts(const ExpertRequest& request) {
  return Describer(request).run();
}

}  // namespace thaw
