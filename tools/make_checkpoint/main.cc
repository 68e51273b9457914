// make_checkpoint: quantized checkpoints of random numbers in the shapes of real models, for
// benchmarks and tests of size. The same arguments give the same bytes; memory is a few megabytes
// and the headers. With --sparse the numbers are zeros that take no disk, so that sizes beyond the
// disk can be read.
#include <algorithm>
#include <boost/program_options.hpp>
#include <exception>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "base/text.h"
#include "checkpoint_writer.h"
#include "config.h"
#include "model.h"

namespace thaw::tools {
namespace {

namespace po = boost::program_options;

struct Arguments {
  ModelShape model;
  PackOptions pack;
  std::string out;
  bool shard_per_layer = false;
  bool sparse = false;
  std::uint64_t max_shard_size = 0;
};

std::string layouts_text() {
  std::string names;
  for (const std::string& name : layout_names()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

// Throws on options that do not belong together.
void check(const PackOptions& pack) {
  const auto& names = layout_names();
  if (std::find(names.begin(), names.end(), pack.layout) == names.end()) {
    throw std::runtime_error("--layout must be one of " + layouts_text());
  }
  if (pack.bits != 4 && (pack.bits != 8 || is_awq(pack))) {
    throw std::runtime_error("--bits is 4, or 8 for gptq, gptq_v2 and ct");
  }
  if (pack.act_order && (is_awq(pack) || pack.group_size < 0)) {
    throw std::runtime_error("--act-order is for groups of gptq, gptq_v2 and ct");
  }
  if (pack.symmetric && is_awq(pack) && pack.layout != "gemm") {
    throw std::runtime_error("--symmetric is for others; marlin always is, gemv never");
  }
}

std::string shape_names() {
  std::string names;
  for (const ModelShape& shape : model_shapes()) {
    if (!names.empty()) names += ", ";
    names += shape.name;
  }
  return names;
}

// Nothing when only help was asked for. Throws on bad words.
std::optional<Arguments> parse(int count, char** words) {
  Arguments to;
  std::string shape, scale_dtype, shard_size;
  std::uint64_t layers = 0;
  std::uint64_t vocabulary = 0;
  po::options_description table("make_checkpoint [options] OUT", 100, 60);
  table.add_options()("shape", po::value(&shape)->default_value("tiny"), shape_names().c_str())(
      "layout", po::value(&to.pack.layout)->default_value("gemm"), layouts_text().c_str())(
      "bits", po::value(&to.pack.bits)->default_value(4), "8 for gptq, gptq_v2 and ct")(
      "act-order", po::bool_switch(&to.pack.act_order), "gptq, gptq_v2, ct: desc_act")(
      "group-size", po::value(&to.pack.group_size)->default_value(128), "-1: one group a linear")(
      "scale-dtype", po::value(&scale_dtype)->default_value("f16"), "f16 or bf16")(
      "symmetric", po::bool_switch(&to.pack.symmetric), "gemm and ct without zeros; gptq")(
      "layers", po::value(&layers), "other than the model's own number")(
      "vocabulary", po::value(&vocabulary), "other than the model's own number")(
      "shard-per-layer", po::bool_switch(&to.shard_per_layer), "a shard for each layer")(
      "max-shard-size", po::value(&shard_size)->default_value("5GB"), "otherwise")(
      "sparse", po::bool_switch(&to.sparse),
      "numbers are holes in the files: zeros that take no disk; headers, config and index as ever")(
      "seed", po::value(&to.pack.seed)->default_value(1), "of the random numbers")(
      "out", po::value(&to.out), "the directory to make (also as the last word)")("help",
                                                                                  "print this");
  po::positional_options_description positions;
  positions.add("out", 1);
  po::variables_map map;
  po::store(po::command_line_parser(count, words).options(table).positional(positions).run(), map);
  po::notify(map);
  if (map.count("help") != 0) {
    std::cout << table;
    return std::nullopt;
  }
  const std::optional<ModelShape> model = find_shape(shape);
  if (!model) throw std::runtime_error("--shape must be one of " + shape_names());
  to.model = *model;
  if (map.count("layers") != 0) to.model.layers = layers;
  if (map.count("vocabulary") != 0) to.model.vocabulary = vocabulary;
  if (scale_dtype != "f16" && scale_dtype != "bf16") throw std::runtime_error("bad --scale-dtype");
  to.pack.scale_dtype = scale_dtype == "f16" ? "F16" : "BF16";
  check(to.pack);
  const std::optional<std::uint64_t> size = parse_bytes(shard_size);
  if (!size) throw std::runtime_error("bad --max-shard-size");
  to.max_shard_size = *size;
  if (to.out.empty()) throw std::runtime_error("OUT is missing");
  return to;
}

// Tensors in the model's order, cut into files.
class Sharder {
 public:
  explicit Sharder(const Arguments& arguments) : arguments_(arguments) {}

  void add(std::vector<TensorSpec> tensors) {
    if (arguments_.shard_per_layer) {
      shards_.push_back(std::move(tensors));
      return;
    }
    for (TensorSpec& tensor : tensors) {
      if (shards_.empty() || (size_ > 0 && size_ + tensor.size() > arguments_.max_shard_size)) {
        shards_.emplace_back();
        size_ = 0;
      }
      size_ += tensor.size();
      shards_.back().push_back(std::move(tensor));
    }
  }
  std::vector<ShardPlan> take() && { return std::move(shards_); }

 private:
  const Arguments& arguments_;
  std::vector<ShardPlan> shards_;
  std::uint64_t size_ = 0;
};

void make(const Arguments& arguments) {
  Sharder sharder(arguments);
  sharder.add(first_tensors(arguments.model, arguments.pack));
  for (std::uint64_t layer = 0; layer < arguments.model.layers; ++layer) {
    sharder.add(layer_tensors(arguments.model, arguments.pack, layer));
  }
  sharder.add(last_tensors(arguments.model, arguments.pack));
  std::filesystem::create_directories(arguments.out);
  CheckpointWriter writer(arguments.out, arguments.pack.scale_dtype,
                          arguments.sparse ? Density::sparse : Density::whole);
  writer.write_text("config.json", config_json(arguments.model, arguments.pack));
  writer.write_text("generation_config.json", "{\n  \"do_sample\": false\n}\n");
  writer.write_shards(std::move(sharder).take());
}

}  // namespace
}  // namespace thaw::tools

int main(int count, char** words) {
  try {
    if (const auto arguments = thaw::tools::parse(count, words)) thaw::tools::make(*arguments);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "make_checkpoint: " << error.what() << '\n';
    return 1;
  }
}
