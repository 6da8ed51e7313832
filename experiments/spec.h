#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "augment/ops.h"
#include "datasets/cifar.h"
#include "experiments/document.h"
#include "experiments/recipes.h"
#include "pipeline/faults.h"
#include "pipeline/loader.h"
#include "pipeline/recipe.h"
#include "train/api.h"

namespace millrace {

enum class BatchUnit : std::uint8_t { global, per_rank, per_node };
enum class Mode : std::uint8_t { automatic, single, dp, ddp };
/// What is shown beside the exact evaluation: what a usual way of scoring over ranks would have counted (evaluation.h).
enum class EvaluationBeside : std::uint8_t { none, drop_last, padded, replicated };
enum class MemoryKind : std::uint8_t { automatic, pageable, page_locked };
enum class CacheKind : std::uint8_t { none, encoded, decoded };

/// [data]
struct DataSpec {
  std::string name = "digits";
  std::string path;       ///< Empty: found by name under the data root. Relative: below the data root where it exists there.
  std::string test_path;  ///< Of a folder: what to evaluate on; empty: no evaluation.
  std::string split = "train";
  std::uint64_t subset = 0;        ///< Samples taken of the split; 0: all. The first of a permutation; of digits, the first drawn.
  std::uint32_t subset_seed = 42;  ///< Of that permutation (NumPy's legacy generator, as the published studies use).
  CifarOptions::Labels labels = CifarOptions::Labels::fine;
  std::string files;                 ///< Of "idx", as the two below: what the files' names begin with (IdxOptions::files).
  std::vector<std::string> classes;  ///< Names; empty: numbers.
  int first_label = 0;
  BatchUnit batch_unit = BatchUnit::global;
  std::uint64_t batch = 64;
  Layout layout = Layout::nchw;
  Dtype dtype = Dtype::f32;
  Verify verify = Verify::warn;
  std::vector<double> extra_us_per_read;  ///< A slow disk on purpose: what each read takes longer, and one in a thousand in its place.
  bool exif_orientation = false;  ///< Turn pictures upright; torchvision's default loader does not.
  double max_megapixels = 178.95697;  ///< Of a folder's picture: what Pillow takes at most. A larger one is a bad sample, undecoded.
  int max_scans = 100;                ///< Of a JPEG file of several scans.
  std::uint64_t max_file_size = 0;    ///< Bytes of a folder's file; 0: FolderOptions' own limit.
  augment::PassOrder pass_order = augment::PassOrder::horizontal_first;  ///< Which Pillow's resize.
};

/// [loader]
inline constexpr int kAutoWorkers = -1;  ///< loader.workers = "auto": settled before the run (tune.h).
struct LoaderSpec {
  int workers = 1, prefetch = 2;
  std::uint64_t seed = 0;
  Sampler sampler = Sampler::shuffled;
  bool drop_last = false;
  double extra_us_per_image = 0;
  double watchdog_seconds = 30;  ///< Of a wait for a batch, before it is told where everything is; 0: never.
  std::uint64_t memory = 0;  ///< Bytes of all slots, scratch and cache; 0: a share of what there is (memory_bound).
  MemoryKind slot_memory = MemoryKind::automatic;
  CacheKind cache = CacheKind::none;
  OnBadSample on_bad_sample = OnBadSample::fail;
  bool fast_jpeg = true;  ///< jpeg = "fast"; false: "libjpeg-turbo" alone, for comparisons of like with like. The same pixels.
  double max_bad = 0;  ///< 0: no limit; below 1: a share; from 1: a count.
};

/// [[augment]]
struct AugmentSpec {
  std::string op, recipe;  ///< One of the two: as in the table of operations or of recipes.
  std::string name;        ///< For `augment.NAME = true|false`; the op or recipe where none is given.
  bool enabled = true;
  std::string place;  ///< "file:line:column", for what shows only when the list is compiled.
  Step step;
};

/// [train]
struct TrainSpec {
  train::TrainOptions options;
  std::uint32_t epochs = 1;
  std::uint64_t steps = 0;           ///< Not 0: this many steps in place of epochs.
  std::uint32_t evaluate_every = 1;  ///< Epochs between evaluations; 0: never.
  EvaluationBeside evaluation_beside = EvaluationBeside::none;
  double target_accuracy = 0;        ///< The run ends once `patience` evaluations in a row reach it; 0: at its epochs.
  std::uint32_t patience = 1;
  Mode mode = Mode::automatic;       ///< Automatic: ddp with several ranks, else single.
  int ranks = 1;                     ///< Ranks of this process (ddp) or replicas of its one rank (dp).
  double peer_timeout = 60;          ///< Seconds of a rank's silence after which the others end.
  std::uint32_t checkpoint_every = 0;        ///< Epochs between checkpoints; 0: by steps, or never.
  std::uint64_t checkpoint_every_steps = 0;  ///< Steps between checkpoints; 0: by epochs, or never.
  int keep_checkpoints = 2;                  ///< The newest that stay.
  bool checkpoints() const { return checkpoint_every || checkpoint_every_steps; }
};
/// The mode that an automatic one comes to.
Mode mode_of(const TrainSpec& train);

/// One axis of a study: a key and the values it takes.
struct Axis {
  std::string key;
  std::vector<Json> values;
};

/// [[study.when]]: cells with all of these values (a list: any of them) get further settings, or are left out. So rows may differ
/// in more than the axes say, as published ones do; an axis that only such rules read needs no key of a table ("run").
struct When {
  Json match;  ///< Axis = value or list of values.
  std::vector<std::pair<std::string, Json>> set;
  bool skip = false;
};

/// [study]
struct StudySpec {
  std::vector<Axis> axes;
  std::vector<When> when;
  int repeat = 1;
  bool stages = false;    ///< The plot's bars: the loader's stages in place of the trainer's phases.
  std::string scale;      ///< What is smaller than in the published study; the report's first line says it.
  std::string published;  ///< A table of published figures, beside the spec or by path.
};

struct Spec {
  std::string file;
  std::string batch_place;  ///< Where the batch was said; empty: it is the default.
  DataSpec data;
  LoaderSpec loader;
  std::vector<AugmentSpec> augment;
  TrainSpec train;
  StudySpec study;
  std::vector<std::string> warnings;  ///< Keys without effect under these settings, more workers than cores.
};

/// Reads what a document says into typed settings, with defaults for what it leaves out.
/// `launched`: as one of several processes, whatever the document says of ranks.
/// Errors: Error(usage), one line "file:line:column: ..." and the nearest known key as hint.
Spec parse_spec(const Document& document, int cores, bool launched = false);

/// What a schedule says and a run of so many epochs never comes to. parse_spec warns of it where the epochs are given; a run over steps
/// knows them once its data are there.
std::vector<std::string> idle_schedules(const TrainSpec& train, double epochs);

/// The settings after defaults and overrides, as records keep them; without [study].
Json to_json(const Spec& spec);

/// 16 hexadecimal digits that are equal for equal settings (XXH3 of to_json).
std::string digest_of(const Spec& spec);

/// Names that data.name takes.
const std::vector<std::string>& data_names();

}  // namespace millrace
