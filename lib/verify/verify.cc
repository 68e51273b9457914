#include "verify/verify.h"

#include <memory>
#include <set>
#include <utility>

#include "base/text.h"
#include "checkpoint/names.h"
#include "execute/execute.h"
#include "io/directory.h"
#include "io/process.h"
#include "prepare/prepare.h"
#include "quant/closed_world.h"
#include "sink/verify_sink.h"
#include "verify/infer.h"
#include "verify/output_parts.h"

namespace thaw {

namespace {

using Parts = std::vector<std::vector<OutputPart>>;
using Kind = VerifyFinding::Kind;

// Passes on what the run tells, under another name.
class Verifying final : public Observer {
 public:
  explicit Verifying(Observer& observer) : observer_(observer) {}
  void on_progress(const Progress& progress) override {
    Progress told = progress;
    told.stage = "verifying";
    observer_.on_progress(told);
  }

 private:
  Observer& observer_;
};

VerifySink::Parts begins_of(const Parts& parts) {
  VerifySink::Parts begins;
  for (const std::vector<OutputPart>& file : parts) {
    begins.emplace_back();
    for (const OutputPart& part : file) begins.back().push_back(part.begin);
  }
  return begins;
}

void add_file(const PlannedFile& file, const std::vector<OutputPart>& parts,
              const VerifySink::File& found, VerifyReport& report) {
  const bool shard = file.tensors != 0;
  if (found.state != VerifySink::FileState::present) {
    report.findings.push_back(
        {.kind = Kind::missing, .file = file.name, .part = {}, .why = found.why});
  } else if (found.size != file.size) {
    report.findings.push_back({.kind = Kind::size,
                               .file = file.name,
                               .part = {},
                               .bytes = found.size,
                               .first = file.size,
                               .why = {}});
  }
  for (const auto& [part, difference] : found.differences) {
    report.findings.push_back(
        {.kind = Kind::differs,
         .file = file.name,
         .part = std::string(shard && part == 0 ? "header" : parts[part].name),
         .bytes = difference.bytes,
         .first = difference.first,
         .why = {}});
  }
  if (!shard) return;
  for (std::uint32_t i = 1; i < parts.size(); ++i) {
    VerifiedTensor tensor{.name = std::string(parts[i].name),
                          .file = file.name,
                          .bytes = parts[i].end - parts[i].begin};
    const auto difference = found.differences.find(i);
    if (difference != found.differences.end()) {
      tensor.differing = difference->second.bytes;
      tensor.first = difference->second.first - parts[i].begin;
    } else if (found.state != VerifySink::FileState::present || found.size < parts[i].end) {
      tensor.differing = tensor.bytes;  // what is not there differs
    }
    report.tensors.push_back(std::move(tensor));
  }
}

// Weights that stand beside those that were planned: a loader may take them for the model's.
Status find_extra_files(const Plan& plan, const std::string& directory, VerifyReport& report) {
  std::set<std::string, std::less<>> planned;
  for (const PlannedFile& file : plan.files) planned.insert(file.name);
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.kind == FileKind::directory) continue;
    if (!is_weight_name(entry.name) || planned.count(entry.name) != 0) continue;
    report.findings.push_back({.kind = Kind::extra, .file = entry.name, .part = {}, .why = {}});
  }
  return {};
}

// Digests tell that nothing changed, not that a float model was written. A directory that is no
// checkpoint has no tensors that could be packed.
Status find_packed_tensors(const std::string& directory, FileSystem& file_system,
                           VerifyReport& report) {
  const Result<Checkpoint> out = open_checkpoint(file_system, directory);
  if (!out.ok()) return {};
  for (std::string& line : list_packed_tensors(out.value())) {
    report.findings.push_back({.kind = Kind::packed,
                               .file = {},
                               .part = {},
                               .why = std::move(line) + "; a float model has none"});
  }
  return {};
}

// A run that leaves room for the output's pages and what the kernel reads ahead of them. Where the
// budget is too small for that, the conversion's own plan: its write window is free.
MemoryPlan memory_for_verifying(const Prepared& prepared) {
  constexpr std::uint64_t kOutputPages = 48u << 20;
  const MemoryPlan& memory = prepared.memory;
  if (memory.peak <= kOutputPages) return memory;
  const Result<MemoryPlan> smaller =
      plan_memory(prepared.plan, {.budget = memory.peak - kOutputPages, .threads = memory.workers});
  return smaller.ok() ? smaller.value() : memory;
}

Status check_inputs(const Plan& plan) {
  ErrorList errors;
  for (const MappedFile* input : plan.inputs) errors.add(input->check_unchanged());
  return errors.take();
}

Status add_certificate(const Plan& plan, const MemoryPlan& memory, const std::string& directory,
                       Parallel& parallel, FileSystem& file_system, VerifyReport& report) {
  const Result<Checkpoint> out = open_checkpoint(file_system, directory);
  // What cannot be read has not been found to differ.
  if (!out.ok() && out.error().code != ErrorCode::input) return Status(out.error());
  if (!out.ok()) {
    report.no_certificate = out.error().messages.front();
    return {};
  }
  THAW_ASSIGN_OR_RETURN(report.certificate, certify(plan, out.value(), memory, parallel));
  return {};
}

}  // namespace

Result<VerifyReport> check_output(const Prepared& prepared, const OutputCheck& check,
                                  Observer& observer, StopFlag& stop, FileSystem& file_system) {
  const Plan& plan = prepared.plan;
  const MemoryPlan memory = memory_for_verifying(prepared);
  Verifying verifying(observer);
  VerifyReport report;
  report.files = plan.files.size();
  const Parts parts = output_parts(plan);
  {
    THAW_ASSIGN_OR_RETURN(const std::unique_ptr<VerifySink> sink,
                          VerifySink::open(file_system, plan, check.directory, begins_of(parts)));
    THAW_ASSIGN_OR_RETURN(const ExecuteReport run,
                          execute(plan, plan, memory, *prepared.table, *sink,
                                  {.allow_overflow = true}, verifying, stop));
    report.bytes = run.bytes_written;
    THAW_RETURN_IF_ERROR(sink->finish());
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
      if (check.unpublished && plan.files[i].size == 0) continue;
      add_file(plan.files[i], parts[i], sink->files()[i], report);
    }
  }
  THAW_RETURN_IF_ERROR(find_extra_files(plan, check.directory, report));
  if (check.certificate && !plan.linears.empty()) {
    Parallel parallel(memory.workers, stop, [&] {
      verifying.on_progress({.stage = {},
                             .bytes_done = plan.bytes,
                             .bytes_total = plan.bytes,
                             .tensors_done = plan.tensor_count,
                             .tensors_total = plan.tensor_count});
    });
    THAW_RETURN_IF_ERROR(
        add_certificate(plan, memory, check.directory, parallel, file_system, report));
  }
  THAW_RETURN_IF_ERROR(check_inputs(plan));
  return report;
}

Result<VerifyReport> verify(const VerifyOptions& options, Observer& observer, StopFlag& stop,
                            FileSystem& file_system) {
  if (file_kind(options.out) != FileKind::directory) {
    return fail(ErrorCode::input, {.file = options.out, .tensor = {}}, "is no directory");
  }
  const bool checksums = exists(join_path(options.out, kChecksumsName));
  const unsigned threads =
      options.conversion.threads != 0 ? options.conversion.threads : processor_count();
  VerifyReport report;
  if (!options.conversion.model.empty()) {
    observer.on_progress({.stage = "reading headers"});
    THAW_ASSIGN_OR_RETURN(Inferred inferred, prepare_as_written(options, file_system));
    if (options.conversion.strict) {
      THAW_RETURN_IF_ERROR(judge(*inferred.prepared, options.conversion, &stop));
    }
    THAW_ASSIGN_OR_RETURN(
        report, check_output(*inferred.prepared,
                             {.directory = options.out, .certificate = options.certificate},
                             observer, stop, file_system));
    report.inferred = std::move(inferred.notes);
  } else if (!checksums) {
    return fail(ErrorCode::usage, {.file = options.out, .tensor = {}},
                "there is nothing to compare it with: no --against MODEL, and no SHA256SUMS in it",
                "Give the model that it was made from, --against MODEL, or write checksums with "
                "it: thaw convert --checksums.");
  }
  if (checksums) {
    Parallel parallel(threads, stop, [&] { observer.on_progress({.stage = "checksums"}); });
    THAW_ASSIGN_OR_RETURN(report.checksums, check_checksums(file_system, options.out, parallel));
  }
  if (options.conversion.model.empty() && !options.conversion.copy_unknown) {
    THAW_RETURN_IF_ERROR(find_packed_tensors(options.out, file_system, report));
  }
  return report;
}

}  // namespace thaw
