#include "convert/certificate.h"

#include <map>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "convert/certify_linear.h"
#include "execute/input_cache.h"

namespace thaw {

namespace {

// The tensors of a checkpoint by shard and place.
class Places {
 public:
  explicit Places(const Checkpoint& out) {
    for (const Tensor& tensor : out.tensors()) {
      if (tensor.size() == 0) continue;
      by_place_.emplace(std::pair(tensor.shard, tensor.begin), &tensor);
    }
    for (std::uint32_t i = 0; i < out.shards().size(); ++i) shards_[out.shards()[i].name] = i;
  }
  [[nodiscard]] const Tensor* find(const std::string& file, std::uint64_t offset) const {
    const auto shard = shards_.find(file);
    if (shard == shards_.end()) return nullptr;
    const auto found = by_place_.find({shard->second, offset});
    return found == by_place_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::pair<std::uint32_t, std::uint64_t>, const Tensor*> by_place_;
  std::map<std::string, std::uint32_t> shards_;
};

}  // namespace

Result<Certificate> certify(const Plan& plan, const Checkpoint& out, const MemoryPlan& memory,
                            Parallel& parallel) {
  std::vector<const MappedFile*> files = plan.inputs;
  const auto first_out = static_cast<std::uint32_t>(files.size());
  for (const Shard& shard : out.shards()) files.push_back(&shard.file);
  InputCache cache(files, memory.idle_bytes);
  const Places places(out);
  Certificate certificate;
  for (const PlannedFile& file : plan.files) {
    for (const Segment& segment : file.segments) {
      if (segment.kind != SegmentKind::tile) continue;
      const QuantizedLinear& linear = *plan.linears[segment.source];
      LinearCertificate result;
      result.tensor = std::string(segment.name);
      result.layout = std::string(linear.layout->name);
      const Tensor* weight = places.find(file.name, segment.offset);
      if (weight != nullptr && weight->dtype == segment.to && weight->size() == segment.size) {
        result.tensor = std::string(weight->name);
        const CertifyTask task{.plan = plan,
                               .segment = segment,
                               .weight = *weight,
                               .weight_input = first_out + weight->shard,
                               .weight_file = out.shards()[weight->shard].file,
                               .resident_bytes = memory.input_bytes + memory.slab_bytes};
        THAW_RETURN_IF_ERROR(certify_linear(task, cache, parallel, result));
      } else {
        result.flaw = "no weight of its size stands in its place in " + printable(file.name);
        ++certificate.flawed;
      }
      certificate.recovered += result.recovered;
      certificate.ambiguous += result.ambiguous;
      certificate.wrong += result.wrong;
      certificate.linears.push_back(std::move(result));
    }
  }
  cache.drop_idle();
  return certificate;
}

}  // namespace thaw
