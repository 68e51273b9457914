#include "plan/expert_tensors.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "model/config_number.h"
#include "plan/tensor_list.h"

namespace thaw {

namespace {

constexpr const char* kKeepHint =
    "Use --keep-names to write the experts one by one, as they are here.";

std::size_t index_of(ExpertRole role) { return static_cast<std::size_t>(role); }

class Builder {
 public:
  Builder(const PlanRequest& request, const Folded& folded, Plan& plan)
      : request_(request),
        folded_(folded),
        plan_(plan),
        form_(*request.expert_spec->experts),
        checkpoint_(*request.checkpoint) {}

  Result<PlacedExperts> run() {
    for (const ExpertGroup& group :
         find_experts(checkpoint_, *request_.linears, *request_.expert_spec, form_)) {
      if (group.is_split()) {
        form_.fused ? fuse(group) : rename(group);
      } else if (group.is_fused()) {
        form_.fused ? turn(group) : split(group);
      }
    }
    THAW_RETURN_IF_ERROR(errors_.take());
    return std::move(placed_);
  }

 private:
  using Parts = std::vector<Segment>;

  // Experts one by one, under the architecture's names.
  void rename(const ExpertGroup& group) {
    for (const auto& [number, expert] : group.experts) {
      for (const ExpertRole role : kExpertRoles) {
        const std::string& own = name_of(role);
        const std::string path = expert_path(group, number) + own;
        const ExpertSource& weight = expert.weights[index_of(role)];
        const ExpertSource& bias = expert.biases[index_of(role)];
        if (!weight.empty() && !is_called(weight.name(), own, ".weight")) {
          add(path + ".weight", weight.shape(), {all_of(weight)});
        }
        if (!bias.empty() && !is_called(bias.name(), own, ".bias")) {
          add(path + ".bias", bias.shape(), {all_of(bias)});
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
        const auto part = rows_of(source, (e * roles.size() + i) * each, each);
        if (part) add(expert_path(group, e) + name_of(roles[i]) + suffix, extents, {*part});
      }
    }
  }

  // Parameters that were packed [outputs, inputs] where the architecture has them the other way.
  void turn(const ExpertGroup& group) {
    if (!form_.transposed) return;
    const std::optional<std::uint64_t> hidden =
        config_number(checkpoint_.config(), {"hidden_size", "text_config.hidden_size"});
    std::optional<bool> outputs_first;
    if (hidden) {
      if (group.gate_up.linear != nullptr) {
        const std::vector<std::uint64_t> shape = group.gate_up.shape();
        if ((shape[1] == *hidden) != (shape[2] == *hidden)) outputs_first = shape[2] == *hidden;
      }
      if (!outputs_first && group.down.linear != nullptr) {
        const std::vector<std::uint64_t> shape = group.down.shape();
        if ((shape[1] == *hidden) != (shape[2] == *hidden)) outputs_first = shape[1] == *hidden;
      }
    }
    if (!outputs_first.value_or(false)) return;
    for (const ExpertSource* source : {&group.gate_up, &group.down}) {
      if (source->linear == nullptr) continue;
      const std::vector<std::uint64_t> shape = source->shape();
      std::vector<Segment> segments;
      for (std::uint64_t e = 0; e < shape[0]; ++e) {
        const auto part = rows_of(*source, e * shape[1], shape[1]);
        if (!part) return;
        append(segments, {*part}, shape[2]);
      }
      const std::string name(source == &group.gate_up ? kGateUpName : kDownName);
      add(std::string(group.path) + "." + name, {shape[0], shape[2], shape[1]}, segments);
    }
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
    std::vector<Segment> segments;
    for (const auto& [number, expert] : group.experts) {
      Parts parts;
      for (const ExpertRole role : roles) parts.push_back(all_of(expert.weights[index_of(role)]));
      append(segments, std::move(parts), shape[1]);
    }
    const std::uint64_t rows = roles.size() * shape[0];
    std::vector<std::uint64_t> extents = {group.experts.size(), rows, shape[1]};
    if (form_.transposed) std::swap(extents[1], extents[2]);
    add(std::string(group.path).append(".").append(name), extents, segments);
  }

  void fuse_biases(const ExpertGroup& group, const std::vector<ExpertRole>& roles,
                   std::string_view name) {
    std::vector<Segment> segments;
    std::uint64_t rows = 0;
    for (const auto& [number, expert] : group.experts) {
      Parts parts;
      for (const ExpertRole role : roles) {
        const ExpertSource& bias = expert.biases[index_of(role)];
        if (bias.empty()) continue;
        parts.push_back(all_of(bias));
        rows = bias.shape()[0];
      }
      if (parts.empty()) continue;
      // As matrices of one column they are never transposed.
      if (form_.interleaved && parts.size() > 1) {
        segments.push_back(woven(std::move(parts), 1, false));
      } else {
        segments.insert(segments.end(), parts.begin(), parts.end());
      }
    }
    if (segments.empty()) return;
    add(std::string(group.path).append(".").append(name).append("_bias"),
        {group.experts.size(), roles.size() * rows}, segments);
  }

  // The matrix of one expert, at the end of `segments`.
  void append(std::vector<Segment>& segments, Parts parts, std::uint64_t inner) {
    if (!form_.transposed && (!form_.interleaved || parts.size() == 1)) {
      segments.insert(segments.end(), parts.begin(), parts.end());
    } else {
      segments.push_back(woven(std::move(parts), inner, form_.transposed));
    }
  }

  Segment woven(Parts parts, std::uint64_t inner, bool transposed) {
    Weave weave;
    weave.inner = inner;
    weave.transposed = transposed;
    weave.interleaved = form_.interleaved && parts.size() > 1;
    weave.parts = std::move(parts);
    return weave_of(std::move(weave), plan_);
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
    if (!form_.biases) {
      return error(bias, "is a bias, and the architecture's fused experts have none", "");
    }
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
                     got.empty() ? what : what + ": " + got, kKeepHint));
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

  [[nodiscard]] Dtype type_of(const ExpertSource& source) const {
    if (source.linear != nullptr) return request_.dtype;
    const Dtype dtype = source.tensor->dtype;
    return dtype == Dtype::f16 || dtype == Dtype::bf16 ? request_.dtype : dtype;
  }

  // All rows, as one segment; what it is made from is placed.
  Segment all_of(const ExpertSource& source) {
    if (source.linear == nullptr) {
      placed_.tensors.insert(source.tensor);
      Segment segment = carried(*source.tensor, source.tensor->shard, type_of(source));
      folded_.divide(*source.tensor, segment);
      return segment;
    }
    placed_.linears.insert(source.linear);
    const auto [at, added] = tiles_.try_emplace(source.linear);
    if (added) {
      at->second = tile_of(*source.linear, request_.dtype, plan_);
      folded_.divide(*source.linear, at->second);
    }
    return at->second;
  }

  // Some rows of the matrix whose last dimension the columns are; nothing after an error.
  std::optional<Segment> rows_of(const ExpertSource& source, std::uint64_t first,
                                 std::uint64_t count) {
    const Segment all = all_of(source);
    const std::vector<std::uint64_t> shape = source.shape();
    const std::uint64_t columns = shape.size() == 3 ? shape[2] : 1;
    const std::uint64_t row = columns * (dtype_bits(all.to) / 8);
    if (first % all.row_block != 0 || count % all.row_block != 0) {
      error(source, "cannot be divided where an expert ends", shape_text(shape));
      return std::nullopt;
    }
    return cut(all, first * row, count * row);
  }

  void add(const std::string& name, const std::vector<std::uint64_t>& shape,
           const std::vector<Segment>& segments) {
    PlannedTensor tensor;
    tensor.name = plan_.arena.copy(name);
    tensor.shape = plan_.arena.copy(std::span<const std::uint64_t>(shape));
    tensor.dtype = segments.front().to;
    tensor.first_segment = static_cast<std::uint32_t>(plan_.segments.size());
    tensor.segment_count = static_cast<std::uint32_t>(segments.size());
    bool dequantized = false;
    bool cast = false;
    std::uint64_t offset = 0;
    for (Segment segment : segments) {
      segment.offset = offset;
      offset += segment.size;
      dequantized =
          dequantized || segment.kind == SegmentKind::tile || segment.kind == SegmentKind::woven;
      cast = cast || segment.kind == SegmentKind::cast;
      plan_.segments.push_back(segment);
    }
    tensor.size = offset;
    plan_.tensors.push_back(tensor);
    if (!dequantized) ++(cast ? plan_.tensors_cast : plan_.tensors_copied);
  }

  static constexpr std::uint64_t kMostExperts = 100'000;

  const PlanRequest& request_;
  const Folded& folded_;
  Plan& plan_;
  const ExpertForm& form_;
  const Checkpoint& checkpoint_;
  PlacedExperts placed_;
  std::map<const QuantizedLinear*, Segment> tiles_;
  ErrorList errors_;
  std::size_t failed_ = 0;
};

}  // namespace

Result<PlacedExperts> add_experts(const PlanRequest& request, const Folded& folded, Plan& plan) {
  if (request.expert_spec == nullptr || !request.expert_spec->experts) return PlacedExperts{};
  return Builder(request, folded, plan).run();
}

}  // namespace thaw
