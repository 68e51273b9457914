#include "verify/certificate.h"

#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "execute/input_cache.h"
#include "verify/certify_linear.h"

namespace thaw {

namespace {

// The tensor of the output that is what was planned, where it was planned; null: there is none.
const Tensor* find_written(const Plan& plan, const PlannedTensor& tensor, const Checkpoint& out) {
  const Tensor* found = out.find(tensor.name);
  const bool there = found != nullptr && found->dtype == tensor.dtype &&
                     found->size() == tensor.size && found->begin == tensor.offset &&
                     out.shards()[found->shard].name == plan.files[tensor.file].name;
  return there ? found : nullptr;
}

}  // namespace

Result<Certificate> certify(const Plan& plan, const Checkpoint& out, const MemoryPlan& memory,
                            Parallel& parallel) {
  std::vector<const MappedFile*> files = plan.inputs;
  const auto first_out = static_cast<std::uint32_t>(files.size());
  for (const Shard& shard : out.shards()) files.push_back(&shard.file);
  InputCache cache(files, memory.idle_bytes);
  Certificate certificate;
  for (const PlannedFile& file : plan.files) {
    for (const Segment& segment : file.segments) {
      Status status;
      each_tile(plan, segment, [&](const Segment& tile, const TilePlace& place) {
        if (!status.ok()) return;
        const PlannedTensor& tensor = plan.tensors[segment.tensor];
        LinearCertificate result;
        result.tensor = std::string(tensor.name);
        result.layout = std::string(plan.linears[tile.source]->layout->name);
        if (const Tensor* weight = find_written(plan, tensor, out)) {
          const CertifyTask task{.plan = plan,
                                 .segment = tile,
                                 .place = place,
                                 .weight_input = first_out + weight->shard,
                                 .weight_file = out.shards()[weight->shard].file,
                                 .resident_bytes = memory.input_bytes + memory.slab_bytes};
          status = certify_linear(task, cache, parallel, result);
        } else {
          result.flaw = "no weight of its size stands in its place in " + printable(file.name);
          ++certificate.flawed;
        }
        certificate.recovered += result.recovered;
        certificate.ambiguous += result.ambiguous;
        certificate.wrong += result.wrong;
        certificate.linears.push_back(std::move(result));
      });
      THAW_RETURN_IF_ERROR(std::move(status));
    }
  }
  cache.drop_idle();
  return certificate;
}

}  // namespace thaw
