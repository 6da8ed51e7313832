#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "experiments/spec.h"
#include "pipeline/loader.h"
#include "pipeline/recipe.h"
#include "pipeline/source.h"
#include "train/api.h"

namespace millrace {

using Warn = std::function<void(const std::string&)>;

/// A data set that a spec can name, and how it becomes a source.
struct KnownSet {
  const char* name;
  const char* folder;  ///< Under the data root; empty: generated, or named by data.path alone.
  const char* other;   ///< The folder's name as torchvision has it, taken where the first is not there; may be empty.
  const char* remedy;  ///< What to put there.
  std::unique_ptr<Source> (*open)(const DataSpec&, const std::string& path, Split, const Warn&);
};
const std::vector<KnownSet>& known_sets();
const KnownSet& known_set(const std::string& name);

/// MILLRACE_DATA, or "data".
std::string data_root();
/// Where the set of a spec lies: data.path (below the data root where it is there, unless it begins with "/", "./" or "../"), or its
/// folder under the data root.
std::string path_of(const DataSpec& data);

/// Opens what [data] names. Errors: Error(data) that says where was looked and what to do.
std::unique_ptr<Source> open_source(const DataSpec& data, Split split, const Warn& warn);

/// Sources that stay open for a whole study: reading and verifying a set once is enough.
/// Threads: one caller. Owns: the sources.
class SourceShelf {
 public:
  explicit SourceShelf(Warn warn) : warn_(std::move(warn)) {}
  const Source& train(const DataSpec& data);  ///< The split and subset that the spec names.
  /// The whole test split, its labels by the names of the training set's classes; null for a folder without data.test_path.
  /// Errors: Error(data) where it has a class that training lacks.
  const Source* test(const DataSpec& data);
  /// True the first time that a source is asked for in this way.
  bool first_look(const Source& source, const std::string& way) { return looked_at_.emplace(&source, way).second; }

 private:
  Warn warn_;
  std::map<std::string, std::unique_ptr<Source>> open_;
  std::set<std::pair<const Source*, std::string>> looked_at_;
};

/// The augmentations as they are switched, for training; for evaluation as operations_of says. With u8 rows Normalize is left
/// to the device (trainer_options). Errors: Error(usage), with the place in the spec.
std::unique_ptr<Recipe> make_recipe(const Spec& spec, const SourceInfo& source, bool evaluation);

/// The Normalize of the augmentations; empty where there is none.
augment::Normalize normalization_of(const Spec& spec);

/// JPEG, PNG, WebP and BMP, told by the files' first bytes. One a worker.
/// `ways`: as ImageDecoderOptions::jpeg_ways.
std::unique_ptr<Decoder> make_decoder(const DataSpec& data, const LoaderSpec& loader = {}, std::shared_ptr<JpegWays> ways = nullptr);

/// Which ranks of how many live in this process.
struct RankShape {
  int size = 1, first = 0, local = 1;
  int nodes = 1;  ///< Hosts that the ranks are spread over, equally many on each.
};

/// Rows of a batch over all ranks.
std::uint64_t global_batch(const DataSpec& data, const RankShape& ranks);

/// [loader] and the batch of [data] for the ranks of this process.
LoaderOptions loader_options(const Spec& spec, const RankShape& ranks = {});
/// Reads each sample once, in order, on one rank: for evaluation. A bad sample ends it or is left out, never made up for by another.
LoaderOptions evaluation_options(const Spec& spec, const Source& source, const RankShape& ranks = {});

/// [train], with what follows from the data.
train::TrainOptions trainer_options(const Spec& spec, const SourceInfo& source, const RowFormat& input);

std::uint64_t steps_per_epoch(std::uint64_t samples, std::uint64_t batch, bool drop_last);

}  // namespace millrace
