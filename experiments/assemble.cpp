#include "experiments/assemble.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "datasets/cifar.h"
#include "datasets/class_order.h"
#include "datasets/digits.h"
#include "datasets/folder.h"
#include "datasets/idx.h"
#include "datasets/slow_source.h"
#include "datasets/subset.h"
#include "experiments/opened.h"
#include "pipeline/error.h"
#include "pipeline/formats/image_decoder.h"

namespace millrace {
namespace {

std::unique_ptr<Source> idx(const DataSpec& data, const std::string& path, Split split, const Warn& warn) {
  const bool own = data.name == "idx";
  return open_idx({.folder = path, .name = data.name, .split = split, .files = data.files, .classes = data.classes, .count_classes = own, .first_label = data.first_label,
                   .verify = data.verify, .warn = warn});
}

template <CifarOptions::Set set>
std::unique_ptr<Source> cifar(const DataSpec& data, const std::string& path, Split split, const Warn& warn) {
  return open_cifar({.folder = path, .set = set, .split = split, .labels = data.labels, .verify = data.verify, .warn = warn});
}

std::unique_ptr<Source> digits(const DataSpec& data, const std::string&, Split split, const Warn&) {
  // A smaller set of digits is the beginning of a larger one: only what is wanted is drawn.
  DigitsOptions options{.split = split};
  if (data.subset) options.size = data.subset;
  return open_digits(options);
}

std::unique_ptr<Source> folder(const DataSpec& data, const std::string& path, Split split, const Warn& warn) {
  FolderOptions options{.folder = path, .empty_classes = split == Split::test, .warn = warn};
  if (data.max_file_size) options.max_file_bytes = data.max_file_size;
  auto source = open_folder(options);
  if (const std::string remark = remark_on_classes(source->info()); warn && !remark.empty()) warn(remark);
  if (warn && split == Split::train && source->info().classes.size() == 1) warn(path + ": one class only, " + source->info().classes[0] + ": there is nothing to tell apart");
  return source;
}

/// Whether a path says by itself where it begins: "/data", "./data", "..", ".".
bool stands_as_it_is(const std::filesystem::path& path) {
  const std::string first = path.begin()->string();
  return path.is_absolute() || first == "." || first == "..";
}

std::string home_hint(const std::string& path) {
  return path.starts_with("~") ? "; ~ is a shell's word for the home folder: write the whole path" : "";
}

std::unique_ptr<Source> take_subset(std::unique_ptr<Source> source, const DataSpec& data) {
  if (data.subset > source->size())
    throw Error(ErrorKind::usage, "data.subset = " + std::to_string(data.subset) + " is more than the " + std::to_string(source->size()) +
                                      " samples of " + data.name);
  auto order = numpy_legacy_permutation(source->size(), data.subset_seed);
  return open_subset(std::move(source), {.indices = std::move(order), .count = data.subset});
}

/// The compiler of recipes counts the operations of the whole list ("augment[2] Resize: ..."); a reader of specs wants the line.
Error located(const Error& e, const std::vector<std::string>& places, const std::string& file) {
  const std::string text = e.what();
  std::size_t index = 0;
  if (std::sscanf(text.c_str(), "augment[%zu]", &index) == 1 && index < places.size())
    return {e.kind(), places[index] + ": " + text.substr(text.find(']') + 2), e.hint()};
  return {e.kind(), file + ": " + text, e.hint()};
}

}  // namespace

const std::vector<KnownSet>& known_sets() {
  static const char* const kIdx = "put the four IDX files there (plain or .gz)";
  static const char* const kBin = "put the .bin files of the binary version there";
  static const std::vector<KnownSet> table{
      {"mnist", "mnist", "MNIST", kIdx, idx},
      {"fashion-mnist", "fashion-mnist", "FashionMNIST", kIdx, idx},
      {"cifar10", "cifar-10-batches-bin", "", kBin, cifar<CifarOptions::Set::cifar10>},
      {"cifar100", "cifar-100-binary", "", kBin, cifar<CifarOptions::Set::cifar100>},
      {"digits", "", "", "", digits},
      {"idx", "", "", "name the folder of the IDX files", idx},
      {"folder", "", "", "name the folder whose subfolders are the classes (JPEG, PNG, WebP or BMP files)", folder},
  };
  return table;
}

const KnownSet& known_set(const std::string& name) {
  for (const KnownSet& set : known_sets())
    if (set.name == name) return set;
  throw Error(ErrorKind::usage, "data.name: '" + name + "' is not a known set");
}

std::string data_root() {
  const char* root = std::getenv("MILLRACE_DATA");
  return root && *root ? root : "data";
}

std::string path_of(const DataSpec& data) {
  const KnownSet& set = known_set(data.name);
  if (!data.path.empty() && data.name != "digits") {
    const std::filesystem::path path = data.path, below = data_root() / path;
    std::error_code error;
    return !stands_as_it_is(path) && std::filesystem::is_directory(below, error) ? below.string() : data.path;
  }
  if (!*set.folder) return "";
  const std::filesystem::path root = data_root(), usual = root / set.folder, other = root / set.other;
  std::error_code error;
  const bool take_other = *set.other && !std::filesystem::is_directory(usual, error) && std::filesystem::is_directory(other, error);
  return (take_other ? other : usual).string();
}

std::unique_ptr<Source> open_source(const DataSpec& data, Split split, const Warn& warn) {
  const KnownSet& set = known_set(data.name);
  const std::string path = path_of(data);
  if (std::error_code error; !path.empty() && !std::filesystem::is_directory(path, error))
    throw Error(ErrorKind::data, data.name + ": no folder " + path,
                std::string(set.remedy) + ", or set MILLRACE_DATA or data.path" + home_hint(path) + "; data.name = \"digits\" needs no files");
  auto source = set.open(data, path, split, warn);
  if (const auto& extra = data.extra_us_per_read; !extra.empty()) {
    if (!(source->info().raw_size == Size{}))
      throw Error(ErrorKind::usage, "data.extra_us_per_read: " + data.name + " lies in memory and is not read again", "it is for sets of files: folder");
    source = open_slow(std::move(source), {.usual_us = extra[0], .rare_us = extra.back()});
  }
  return data.subset && data.name != "digits" ? take_subset(std::move(source), data) : std::move(source);
}

const Source& SourceShelf::train(const DataSpec& data) {
  auto& slot = open_[Json{data.name, data.path, data.split, data.subset, data.subset_seed, int(data.labels), data.files, data.classes, data.first_label, data.extra_us_per_read, data.max_file_size}.dump()];
  const bool first = data.split == "train" || data.name == "folder";  // Of a folder data.path is the split.
  if (!slot) slot = open_source(data, first ? Split::train : Split::test, warn_);
  return *slot;
}

const Source* SourceShelf::test(const DataSpec& data) {
  DataSpec whole = data;
  whole.subset = 0;
  whole.extra_us_per_read.clear();
  if (data.name == "folder") whole.path = data.test_path;
  if (data.name == "folder" && whole.path.empty()) return nullptr;
  const Source& training = train(data);
  // What is trained on decides what labels mean, so each training set has a test set of its own.
  auto& slot = open_[Json{"test", data.name, data.path, whole.path, int(data.labels), data.files, data.classes, data.first_label, data.max_file_size}.dump()];
  if (slot) return slot.get();
  slot = with_classes_of(open_source(whole, Split::test, warn_), training.info());
  if (const std::string remark = remark_on_missing_classes(slot->info()); warn_ && !remark.empty()) warn_(remark);
  return slot.get();
}

std::unique_ptr<Recipe> make_recipe(const Spec& spec, const SourceInfo& source, bool evaluation) {
  std::vector<augment::Operation> operations;
  std::vector<std::string> places;
  for (const AugmentSpec& a : spec.augment) {
    if (!a.enabled) continue;
    for (augment::Operation& op : operations_of(a.step, evaluation)) {
      if (spec.data.dtype == Dtype::u8 && std::holds_alternative<augment::Normalize>(op)) continue;
      operations.push_back(std::move(op));
      places.push_back(a.place);
    }
  }
  augment::RecipeOptions options{.channels = source.channels,
                                 .input = source.raw_size,
                                 .dtype = spec.data.dtype,
                                 .layout = spec.data.layout,
                                 .pass_order = spec.data.pass_order};
  try {
    return augment::compile(std::move(operations), options);
  } catch (const Error& e) {
    throw located(e, places, spec.file);
  }
}

augment::Normalize normalization_of(const Spec& spec) {
  augment::Normalize out;
  for (const AugmentSpec& a : spec.augment) {
    if (!a.enabled) continue;
    for (const augment::Operation& op : operations_of(a.step, false))
      if (const auto* n = std::get_if<augment::Normalize>(&op)) out = *n;
  }
  return out;
}

std::unique_ptr<Decoder> make_decoder(const DataSpec& data, const LoaderSpec& loader, std::shared_ptr<JpegWays> ways) {
  return make_image_decoder({.apply_exif_orientation = data.exif_orientation,
                             .max_pixels = static_cast<std::int64_t>(std::llround(data.max_megapixels * 1e6)),
                             .max_scans = data.max_scans,
                             .fast_jpeg = loader.fast_jpeg,
                             .jpeg_ways = std::move(ways)});
}

std::uint64_t global_batch(const DataSpec& data, const RankShape& ranks) {
  if (data.batch_unit == BatchUnit::per_rank) return data.batch * static_cast<std::uint64_t>(ranks.size);
  if (data.batch_unit == BatchUnit::per_node) return data.batch * static_cast<std::uint64_t>(ranks.nodes);
  return data.batch;
}

LoaderOptions loader_options(const Spec& spec, const RankShape& ranks) {
  const LoaderSpec& l = spec.loader;
  LoaderOptions options;
  options.world_size = ranks.size;
  options.first_rank = ranks.first;
  options.local_ranks = ranks.local;
  if (l.workers == kAutoWorkers) throw Error(ErrorKind::internal, "loader.workers = \"auto\" was not settled");
  options.workers = l.workers;
  options.prefetch = l.prefetch;
  options.batch = global_batch(spec.data, ranks);
  options.sampler = l.sampler;
  options.drop_last = l.drop_last;
  options.seed = l.seed;
  options.extra_us_per_image = l.extra_us_per_image;
  options.faults.action = l.on_bad_sample;
  if (l.max_bad >= 1)
    options.faults.max_count = static_cast<std::uint64_t>(l.max_bad);
  else if (l.max_bad > 0)
    options.faults.max_fraction = l.max_bad;
  const auto ways = std::make_shared<JpegWays>();
  options.make_decoder = [data = spec.data, l, ways] { return make_decoder(data, l, ways); };
  options.jpeg_ways = ways;
  return options;
}

LoaderOptions evaluation_options(const Spec& spec, const Source& source, const RankShape& ranks) {
  constexpr std::uint64_t kRows = 250;  // Large enough that the loader's cost a batch does not count.
  LoaderOptions options = loader_options(spec, ranks);
  options.sampler = Sampler::sequential;
  options.drop_last = false;
  options.extra_us_per_image = 0;
  // A substitute would be scored in place of what could not be read, and twice: it is left out.
  if (options.faults.action == OnBadSample::substitute) options.faults.action = OnBadSample::skip;
  options.batch = std::min(std::max(options.batch, kRows * static_cast<std::uint64_t>(ranks.size)), source.size());
  options.batches = steps_per_epoch(source.size(), options.batch, false);
  return options;
}

train::TrainOptions trainer_options(const Spec& spec, const SourceInfo& source, const RowFormat& input) {
  train::TrainOptions options = spec.train.options;
  options.classes = static_cast<int>(source.classes.size());
  options.input = input;
  if (spec.data.dtype == Dtype::u8)
    if (const auto n = normalization_of(spec); !n.mean.empty()) options.mean = n.mean, options.std = n.std;
  return options;
}

std::uint64_t steps_per_epoch(std::uint64_t samples, std::uint64_t batch, bool drop_last) {
  return drop_last ? samples / batch : (samples + batch - 1) / batch;
}

}  // namespace millrace
