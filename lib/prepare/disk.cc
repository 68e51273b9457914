#include "prepare/disk.h"

#include <map>
#include <string>
#include <string_view>

#include "io/directory.h"
#include "prepare/output_format.h"
#include "sink/run_state.h"
#include "sink/space.h"
#include "sink/tar_stream.h"

namespace thaw {

namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where the output will stand, or the nearest above it that is there already.
std::string existing_folder(const std::string& out) {
  std::string folder = folder_of(out);
  while (file_kind(folder) != FileKind::directory && folder != "/" && folder != ".") {
    folder = folder_of(folder);
  }
  return folder;
}

// The files that the next run to `partial` keeps, as its state lists them.
std::map<std::string, std::uint64_t> finished_files(const std::string& partial,
                                                    const PlannedFiles& plan,
                                                    const std::vector<InputMark>& inputs,
                                                    FileSystem& file_system) {
  std::map<std::string, std::uint64_t> files;
  if (file_kind(partial) != FileKind::directory) return files;
  const Result<Folder> folder = Folder::open(file_system, partial);
  if (!folder.ok()) return files;
  const Result<RunState> state = load_run_state(folder.value(), kStateFile);
  if (!state.ok() || state.value().fingerprint != plan.fingerprint) return files;
  if (!check_inputs_of(state.value(), inputs, partial).ok()) return files;
  for (const FinishedFile& file : state.value().files) files.emplace(file.name, file.size);
  return files;
}

}  // namespace

std::optional<DiskSpace> disk_space(const Prepared& prepared, const PlannedFiles& plan,
                                    const ConvertOptions& options, FileSystem& file_system) {
  if (prepared.out.empty() || prepared.out == kStandardOutput) return std::nullopt;
  const Result<FreeSpace> space = free_space(file_system, existing_folder(prepared.out));
  if (!space.ok() || !space.value().known) return std::nullopt;
  DiskSpace disk{.free = space.value().available};
  if (!prepared.format) {
    const std::string partial = prepared.out + ".partial";
    std::map<std::string, std::uint64_t> finished;
    if (!options.restart)
      finished = finished_files(partial, plan, input_marks(prepared.plan), file_system);
    disk.need = directory_need(plan, space.value().block, [&](std::size_t file) {
      const auto at = finished.find(plan.files[file].name);
      return at != finished.end() && at->second == plan.files[file].size;
    });
    return disk;
  }
  std::uint64_t size = plan.bytes;
  if (*prepared.format != StreamFormat::safetensors) {
    size = lay_out_tar(plan, prepared.archive_root, options.archive_mtime).size;
  }
  disk.need = file_need(size, space.value().block);
  disk.bound = *prepared.format == StreamFormat::tar_zst;
  return disk;
}

}  // namespace thaw
