#include "experiments/spec.h"

#include <algorithm>
#include <limits>

#define XXH_INLINE_ALL  // One function, wanted once: no library to link.
#include <xxhash.h>

#include "experiments/keys.h"
#include "experiments/operations.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();
constexpr double kMaxReal = std::numeric_limits<double>::max();

constexpr const char* kBatchKeys[] = {"batch", "batch_per_rank", "batch_per_node"};

void batch(Keys& keys, DataSpec& s) {
  for (int unit = 0; unit < 3; ++unit) {
    const bool active = static_cast<int>(s.batch_unit) == unit;
    if (!keys.reading() && !active) continue;
    std::uint64_t rows = s.batch;
    keys.whole(kBatchKeys[unit], rows, 1, 1 << 24);
    if (!keys.reading() || !keys.has(kBatchKeys[unit])) continue;
    s.batch_unit = static_cast<BatchUnit>(unit);
    s.batch = rows;
  }
}

void visit(Keys& keys, DataSpec& s) {
  keys.text("name", s.name, data_names());
  keys.text("path", s.path, {});
  keys.text("test_path", s.test_path, {});
  keys.text("split", s.split, {"train", "test"});
  keys.whole("subset", s.subset, 0, kMaxInt);
  keys.whole("subset_seed", s.subset_seed, 0, 0xFFFFFFFF);
  keys.choice<CifarOptions::Labels>("labels", s.labels, {{"fine", CifarOptions::Labels::fine}, {"coarse", CifarOptions::Labels::coarse}});
  if (keys.reading() || s.name == "idx") {  // Of other sets these keys say nothing, and their specs' digests stay.
    keys.text("files", s.files, {});
    keys.texts("classes", s.classes);
    keys.whole("first_label", s.first_label, 0, 255);
    if (s.files.find('/') != std::string::npos) keys.refuse("files", "holds a slash", "data.path is the folder, data.files what the names in it begin with");
    if (s.classes.size() > 256) keys.refuse("classes", "has " + std::to_string(s.classes.size()) + " names", "labels are bytes: at most 256");
  }
  batch(keys, s);
  keys.choice<Layout>("layout", s.layout, {{"nchw", Layout::nchw}, {"nhwc", Layout::nhwc}});
  keys.choice<Dtype>("dtype", s.dtype, {{"f32", Dtype::f32}, {"u8", Dtype::u8}});
  keys.choice<Verify>("verify", s.verify, {{"strict", Verify::strict}, {"warn", Verify::warn}, {"off", Verify::off}});
  keys.numbers("extra_us_per_read", s.extra_us_per_read, {1, 2}, 0, 1e8);
  keys.boolean("exif_orientation", s.exif_orientation);
  keys.number("max_megapixels", s.max_megapixels, 0.000001, 4096);
  keys.whole("max_scans", s.max_scans, 1, 100'000);
  keys.bytes("max_file_size", s.max_file_size);
  keys.choice<augment::PassOrder>("pass_order", s.pass_order,
                                  {{"horizontal-first", augment::PassOrder::horizontal_first}, {"pillow13", augment::PassOrder::pillow13}});
}

void visit(Keys& keys, LoaderSpec& s) {
  keys.whole_or("workers", s.workers, 0, 1000, "auto", kAutoWorkers);  // As many as a loader takes.
  keys.whole("prefetch", s.prefetch, 1, 1024);
  keys.whole("seed", s.seed, 0, kMaxInt);
  keys.choice<Sampler>("sampler", s.sampler, {{"shuffled", Sampler::shuffled}, {"sequential", Sampler::sequential}});
  keys.boolean("drop_last", s.drop_last);
  keys.number("extra_us_per_image", s.extra_us_per_image, 0, 1e7);
  keys.number("watchdog_seconds", s.watchdog_seconds, 0, 1e6);
  keys.bytes("memory", s.memory);
  keys.choice<MemoryKind>("slot_memory", s.slot_memory,
                          {{"auto", MemoryKind::automatic}, {"pageable", MemoryKind::pageable}, {"page-locked", MemoryKind::page_locked}});
  keys.choice<CacheKind>("cache", s.cache, {{"none", CacheKind::none}, {"encoded", CacheKind::encoded}, {"decoded", CacheKind::decoded}});
  if (keys.reading() || !s.fast_jpeg)  // The pixels are the same, and so are the digests of specs that do not ask.
    keys.choice<bool>("jpeg", s.fast_jpeg, {{"fast", true}, {"libjpeg-turbo", false}});
  keys.choice<OnBadSample>("on_bad_sample", s.on_bad_sample,
                           {{"fail", OnBadSample::fail}, {"skip", OnBadSample::skip}, {"substitute", OnBadSample::substitute}});
  keys.number("max_bad", s.max_bad, 0, 1e15);
}

void betas(Keys& keys, train::TrainOptions& o) {
  if (keys.reading() && o.optimizer == "novograd") o.beta1 = 0.95, o.beta2 = 0;
  std::vector<double> v{o.beta1, o.beta2};
  keys.numbers("betas", v, {2}, 0, 1);
  if (v[0] >= 1 || v[1] >= 1) keys.refuse("betas", "expected numbers below 1", "Adam's averages forget nothing at 1");
  o.beta1 = v[0];
  o.beta2 = v[1];
}

void schedule(Keys& keys, TrainSpec& s) {
  train::TrainOptions& o = s.options;
  train::ScheduleOptions& t = o.schedule;
  using Kind = train::ScheduleKind;
  keys.choice<Kind>("schedule", t.kind, {{"constant", Kind::constant}, {"cosine", Kind::cosine}, {"step", Kind::step}, {"one-cycle", Kind::one_cycle}});
  keys.choice<bool>("schedule_every", t.every_step, {{"epoch", false}, {"step", true}});
  keys.number("warmup_epochs", t.warmup_epochs, 0, 1e6);
  if (t.kind == Kind::one_cycle && t.warmup_epochs > 0)
    keys.refuse("warmup_epochs", "one-cycle begins with a warm-up of its own", "leave warmup_epochs out");
  keys.number("warmup_start", t.warmup_start, 0, 1);
  keys.number("step_epochs", t.step_epochs, 1, 1e6);
  keys.number("step_factor", t.step_factor, 1e-9, 1e3);
  keys.choice<train::LrScaling>(
      "lr_scaling", o.lr_scaling,
      {{"none", train::LrScaling::none}, {"linear", train::LrScaling::linear}, {"sqrt", train::LrScaling::square_root}});
  keys.whole("base_batch", o.base_batch, 1, 1 << 24);
  keys.number("clip_norm", o.clip_norm, 0, 1e9);
  keys.number("label_smoothing", o.label_smoothing, 0, 1);
  if (o.label_smoothing >= 1) keys.refuse("label_smoothing", "expected a number below 1", "0.1 is usual");
  keys.number("target_accuracy", s.target_accuracy, 0, 1);
  keys.whole("patience", s.patience, 1, 1000);
}

bool is_device(const std::string& name) {
  if (name == "auto" || name == "cpu" || name == "cuda") return true;
  return name.starts_with("cuda:") && name.size() > 5 && name.size() <= 8 && name.find_first_not_of("0123456789", 5) == std::string::npos;
}

/// Several devices, and what they exchange.
void ranks(Keys& keys, TrainSpec& s) {
  train::TrainOptions& o = s.options;
  keys.choice<Mode>("mode", s.mode, {{"auto", Mode::automatic}, {"single", Mode::single}, {"dp", Mode::dp}, {"ddp", Mode::ddp}});
  keys.whole("ranks", s.ranks, 1, 256);
  if (s.mode == Mode::single && s.ranks > 1) keys.refuse("ranks", "train.mode = \"single\" has one rank", "mode = \"ddp\" or \"dp\"");
  bool per_parameter = o.bucket_mb == 0;
  keys.choice<bool>("sync", per_parameter, {{"bucketed", false}, {"per-parameter", true}});
  if (keys.reading() && per_parameter && keys.has("bucket_mb")) keys.refuse("bucket_mb", "train.sync = \"per-parameter\" has no buckets", "keep one of them");
  keys.number("bucket_mb", o.bucket_mb, 0, 4096);
  if (per_parameter) o.bucket_mb = 0;
  keys.whole("accumulate", o.accumulate, 1, 1 << 16);
  keys.choice<train::Buffers>("buffers", o.buffers,
                              {{"broadcast", train::Buffers::broadcast}, {"per-rank", train::Buffers::per_rank}, {"average", train::Buffers::average}});
  keys.choice<train::Norm>("norm", o.norm, {{"bn", train::Norm::bn}, {"syncbn", train::Norm::syncbn}});
  keys.choice<bool>("on_nonfinite", o.stop_at_nonfinite, {{"fail", true}, {"go-on", false}});
  keys.number("peer_timeout", s.peer_timeout, 0.1, 1e5);
  keys.number("link_mbit", o.link_mbit, 0, 1e9);
}

void visit(Keys& keys, TrainSpec& s) {
  train::TrainOptions& o = s.options;
  keys.text("model", o.model, {"toy", "toy-norm", "lenet", "mobilenetv3_small", "resnet18", "wide_resnet", "sleep"});
  keys.whole("padding", o.padding, 0, 2);
  keys.whole("widen", o.widen, 1, 64);
  keys.number("dropout", o.dropout, 0, 1);
  if (o.dropout >= 1) keys.refuse("dropout", "expected a number below 1", "0.01 is the study's");
  keys.text("weights", o.weights, {});
  keys.boolean("fresh_head", o.fresh_head);
  keys.whole("epochs", s.epochs, 1, 1 << 20);
  keys.whole("steps", s.steps, 0, kMaxInt);
  keys.whole("evaluate_every", s.evaluate_every, 0, 1 << 20);
  keys.choice<EvaluationBeside>("evaluation_beside", s.evaluation_beside, {{"none", EvaluationBeside::none},
                                                                           {"drop_last", EvaluationBeside::drop_last},
                                                                           {"padded", EvaluationBeside::padded},
                                                                           {"replicated", EvaluationBeside::replicated}});
  keys.whole("checkpoint_every", s.checkpoint_every, 0, 1 << 20);
  keys.whole("checkpoint_every_steps", s.checkpoint_every_steps, 0, kMaxInt);
  keys.whole("keep_checkpoints", s.keep_checkpoints, 1, 1 << 20);
  keys.text("optimizer", o.optimizer, {"sgd", "adam", "adamw", "novograd"});
  keys.number("lr", o.lr, 0, 1e6);
  keys.number("momentum", o.momentum, 0, 1);
  if (o.momentum >= 1) keys.refuse("momentum", "expected a number below 1", "0.9 is usual");
  keys.boolean("nesterov", o.nesterov);
  keys.number("weight_decay", o.weight_decay, 0, 1e6);
  betas(keys, o);
  keys.number("eps", o.eps, 0, 1);
  keys.boolean("grad_averaging", o.grad_averaging);
  schedule(keys, s);
  keys.text("device", o.device, {});
  if (!is_device(o.device)) keys.refuse("device", "'" + shortened(o.device) + "' is none of auto, cpu, cuda, cuda:N", "");
  keys.whole("threads", o.threads, 0, 1024);
  keys.choice<train::Precision>("precision", o.precision, {{"fp32", train::Precision::fp32},
                                                           {"bf16", train::Precision::bf16},
                                                           {"fp16", train::Precision::fp16},
                                                           {"fp16-unscaled", train::Precision::fp16_unscaled}});
  keys.choice<train::MemoryOrder>("layout", o.layout,
                                  {{"auto", train::MemoryOrder::automatic}, {"nchw", train::MemoryOrder::nchw}, {"nhwc", train::MemoryOrder::nhwc}});
  keys.choice<train::Tf32>("tf32", o.tf32, {{"convolutions", train::Tf32::convolutions}, {"all", train::Tf32::all}, {"none", train::Tf32::none}});
  keys.boolean("cudnn_benchmark", o.cudnn_benchmark);
  keys.boolean("deterministic", o.deterministic);
  if (o.deterministic && o.cudnn_benchmark)
    keys.refuse("cudnn_benchmark", "with train.deterministic = true no algorithm is chosen by its speed", "keep one of them");
  keys.choice<bool>("step", o.graph_step, {{"eager", false}, {"graph", true}});
  keys.whole("seed", o.seed, 0, kMaxInt);
  keys.number("step_microseconds", o.step_microseconds, 0, 1e8);
  ranks(keys, s);
}

[[noreturn]] void refuse(const std::string& place, const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorKind::usage, place + ": " + what, hint);
}

/// What only shows when the text in a key is taken apart (RandAugment strings) is told at that key.
void check_step(const Section& section, const AugmentSpec& spec, std::vector<std::string>& warnings) {
  const Entry* text = section.find(spec.op.empty() ? "auto_augment" : "config");
  const std::string& place = text ? text->value_place : section.place;
  try {
    for (const std::string& warning : augment::warnings(operations_of(spec.step, false))) warnings.push_back(place + ": " + warning);
  } catch (const Error& e) {
    refuse(place, e.what(), e.hint());
  }
}

AugmentSpec read_step(const Section& section, std::vector<std::string>& warnings) {
  AugmentSpec spec;
  spec.place = section.place;
  const bool is_recipe = section.find("recipe");
  if (is_recipe && section.find("op")) refuse(section.find("recipe")->key_place, "both augment.op and augment.recipe", "keep one of them");
  if (!is_recipe && !section.find("op"))
    refuse(section.place, "[[augment]] without op or recipe", "op = \"random_affine\" or recipe = \"timm-train\", for example");
  KeyReader keys(section, "augment");
  std::string& which = is_recipe ? spec.recipe : spec.op;
  keys.text(is_recipe ? "recipe" : "op", which, is_recipe ? recipe_names() : operation_names());
  spec.name = which;
  keys.text("name", spec.name, {});
  keys.boolean("enabled", spec.enabled);
  spec.step = is_recipe ? make_recipe_step(which) : Step(make_operation(which));
  visit(keys, spec.step);
  keys.finish();
  check_step(section, spec, warnings);
  return spec;
}

void flatten(const std::string& prefix, const Json& value, const std::string& place, std::vector<Axis>& axes) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) flatten(prefix.empty() ? key : prefix + "." + key, inner, place, axes);
  } else if (value.is_array() && !value.empty()) {
    axes.push_back({prefix, std::vector<Json>(value.begin(), value.end())});
  } else {
    refuse(place, "study.axes: '" + prefix + "' needs a list of values", "for example \"loader.workers\" = [0, 1, 2]");
  }
}

void visit(Keys& keys, StudySpec& s) {
  keys.whole("repeat", s.repeat, 1, 1000);
  keys.text("scale", s.scale, {});
  keys.text("published", s.published, {});
  keys.choice<bool>("bars", s.stages, {{"phases", false}, {"stages", true}});
}

/// Each rule may read the study's axes only: a rule that no cell can meet is a mistyped one.
std::vector<When> read_rules(const Entry& entry, const std::vector<Axis>& axes) {
  std::vector<When> rules;
  const auto wrong = [&](const std::string& what) {
    refuse(entry.value_place, "study.when " + std::to_string(rules.size() + 1) + ": " + what,
           "[[study.when]] with match = { axis = value }, and set = { \"table.key\" = value } or skip = true");
  };
  if (!entry.value.is_array()) refuse(entry.value_place, "study.when: expected a list of tables", "write [[study.when]]");
  for (const Json& in : entry.value) {
    When rule;
    if (!in.is_object()) wrong("expected a table");
    for (const auto& [key, value] : in.items()) {
      if (key == "match" && value.is_object())
        rule.match = value;
      else if (key == "set" && value.is_object())
        for (const auto& [name, v] : value.items()) rule.set.emplace_back(name, v);
      else if (key == "skip" && value.is_boolean())
        rule.skip = value.get<bool>();
      else
        wrong("'" + shortened(key) + "' is unknown or of the wrong type");
    }
    if (rule.match.empty() || rule.skip == !rule.set.empty()) wrong("needs match, and one of set and skip");
    for (const auto& [key, value] : rule.match.items())
      if (std::none_of(axes.begin(), axes.end(), [&, k = &key](const Axis& axis) { return axis.key == *k; }))
        wrong("'" + shortened(key) + "' is no axis of this study");
    rules.push_back(std::move(rule));
  }
  return rules;
}

StudySpec read_study(const Section& section) {
  StudySpec study;
  KeyReader keys(section, "study");
  visit(keys, study);
  Section rest = section;
  if (const Entry* axes = section.find("axes")) {
    if (!axes->value.is_object())
      refuse(axes->value_place, "study.axes: expected a table of keys and lists", "axes = { \"loader.workers\" = [0, 1, 2] }");
    flatten("", axes->value, axes->value_place, study.axes);
    rest.erase("axes");
  }
  if (const Entry* when = section.find("when")) {
    study.when = read_rules(*when, study.axes);
    rest.erase("when");
  }
  std::vector<double> unused;
  KeyReader check(rest, "study");
  for (const char* taken : {"axes", "when"}) check.numbers(taken, unused, {1}, 0, 0);  // Only so that their names are known to the message.
  visit(check, study);
  check.finish();
  return study;
}

template <class Part>
void read_section(const Document& document, const char* name, Part& part) {
  const Section* section = document.find(name);
  if (!section) return;
  KeyReader keys(*section, name);
  visit(keys, part);
  keys.finish();
}

void check_tables(const Document& document) {
  const std::vector<std::string> known{"data", "loader", "augment", "train", "study"};
  for (const Section& s : document.sections) {
    if (std::find(known.begin(), known.end(), s.name) != known.end()) continue;
    const std::string near = nearest(s.name, known);
    refuse(s.place, "unknown table '" + shortened(s.name) + "'",
           near.empty() ? "tables are data, loader, augment, train, study" : "did you mean [" + near + "]?");
  }
}

/// Two keys that say the same thing twice, and one whose meaning has changed.
void check_pairs(const Document& document) {
  const Section* loader = document.find("loader");
  if (const Entry* memory = loader ? loader->find("memory") : nullptr; memory && (memory->value == "pageable" || memory->value == "page-locked"))
    refuse(memory->value_place, "loader.memory is the bound of the loader's memory, not where its slots lie",
           "write loader.slot_memory = " + memory->value.dump() + "; loader.memory takes a size such as \"2 GiB\"");
  const auto both = [&](const char* table, const char* a, const char* b) {
    const Section* s = document.find(table);
    if (!s || !s->find(a) || !s->find(b)) return;
    const std::string t = table;
    refuse(s->find(b)->key_place, "both " + t + "." + a + " and " + t + "." + b, "keep one of them");
  };
  both("data", "batch", "batch_per_rank");
  both("data", "batch", "batch_per_node");
  both("data", "batch_per_rank", "batch_per_node");
  both("train", "epochs", "steps");
}

void warn(const Document& document, const Spec& spec, int cores, bool launched, std::vector<std::string>& out) {
  const auto idle = [&](const char* table, const char* key, bool unused, const std::string& why) {
    const Section* s = document.find(table);
    const Entry* e = s ? s->find(key) : nullptr;
    if (unused && e) out.push_back(e->key_place + ": " + table + "." + key + " has no effect " + why);
  };
  const auto& t = spec.train.options;
  const bool sleeps = t.model == "sleep";
  idle("loader", "prefetch", spec.loader.workers == 0, "with loader.workers = 0");
  idle("loader", "max_bad", spec.loader.on_bad_sample == OnBadSample::fail, "with on_bad_sample = \"fail\"");
  idle("loader", "cache", spec.data.name != "folder" && spec.loader.cache != CacheKind::none,
       "with data.name = \"" + spec.data.name + "\": its pictures are in memory already");
  idle("data", "path", spec.data.name == "digits", "with data.name = \"digits\", which is generated");
  idle("data", "labels", spec.data.name != "cifar100", "with data.name = \"" + spec.data.name + "\"");
  idle("data", "subset_seed", spec.data.subset == 0 || spec.data.name == "digits", "here: no permutation is taken");
  idle("data", "test_path", spec.data.name != "folder",
       "with data.name = \"" + spec.data.name + "\": the test split lies beside the training split");
  idle("data", "split", spec.data.name == "folder", "with data.name = \"folder\": data.path is the split");
  for (const char* key : {"files", "classes", "first_label"}) idle("data", key, spec.data.name != "idx", "with data.name = \"" + spec.data.name + "\"");
  idle("data", "verify", spec.data.name == "digits" || spec.data.name == "folder" || spec.data.name == "idx",
       "with data.name = \"" + spec.data.name + "\": no sums are published");
  for (const char* key : {"exif_orientation", "max_megapixels", "max_scans", "max_file_size"})
    idle("data", key, spec.data.name != "folder", "with data.name = \"" + spec.data.name + "\": its pictures are no files of their own");
  idle("loader", "jpeg", spec.data.name != "folder", "with data.name = \"" + spec.data.name + "\": its pictures are no JPEG files");
  idle("train", "widen", t.model != "wide_resnet", "with train.model = \"" + t.model + "\"");
  idle("train", "dropout", t.model != "wide_resnet", "with train.model = \"" + t.model + "\"");
  idle("train", "grad_averaging", t.optimizer != "novograd", "with train.optimizer = \"" + t.optimizer + "\"");
  idle("train", "fresh_head", t.weights.empty(), "without train.weights");
  idle("train", "warmup_start", t.schedule.warmup_epochs == 0, "without warmup_epochs");
  idle("train", "patience", spec.train.target_accuracy == 0, "without target_accuracy");
  idle("train", "target_accuracy", spec.train.evaluate_every == 0, "with evaluate_every = 0: nothing is evaluated before the end");
  idle("train", "base_batch", t.lr_scaling == train::LrScaling::none, "with lr_scaling = \"none\"");
  for (const char* key : {"step_epochs", "step_factor"})
    idle("train", key, t.schedule.kind != train::ScheduleKind::step, "with a schedule other than \"step\"");
  idle("train", "padding", t.model != "lenet", "with train.model = \"" + t.model + "\"");
  idle("train", "step_microseconds", !sleeps, "with train.model = \"" + t.model + "\"");
  idle("train", "momentum", t.optimizer != "sgd", "with train.optimizer = \"" + t.optimizer + "\"");
  idle("train", "nesterov", t.optimizer != "sgd", "with train.optimizer = \"" + t.optimizer + "\"");
  idle("train", "betas", t.optimizer == "sgd", "with train.optimizer = \"sgd\"");
  idle("train", "keep_checkpoints", !spec.train.checkpoints(), "without checkpoint_every or checkpoint_every_steps");
  idle("train", "eps", t.optimizer == "sgd", "with train.optimizer = \"sgd\"");
  if (!spec.train.steps)
    for (const std::string& remark : idle_schedules(spec.train, spec.train.epochs)) out.push_back(document.file + ": " + remark);
  for (const char* key : {"optimizer", "lr", "precision"}) idle("train", key, sleeps, "with train.model = \"sleep\"");
  if (mode_of(spec.train) != Mode::ddp && !launched)
    for (const char* key : {"sync", "bucket_mb", "buffers", "norm", "peer_timeout", "link_mbit"})
      idle("train", key, true, "with one rank: nothing is exchanged");
  if (spec.train.ranks > cores && mode_of(spec.train) != Mode::single)
    out.push_back("train.ranks = " + std::to_string(spec.train.ranks) + " are more than the " + std::to_string(cores) + " cores of this process: they will share");
  if (spec.loader.workers > cores)
    out.push_back("loader.workers = " + std::to_string(spec.loader.workers) + " are more than the " + std::to_string(cores) +
                  " cores of this process: they will share");
  if (t.threads > cores)
    out.push_back("train.threads = " + std::to_string(t.threads) + " are more than the " + std::to_string(cores) +
                  " cores of this process: they will share");
}

}  // namespace

std::vector<std::string> idle_schedules(const TrainSpec& train, double epochs) {
  const train::ScheduleOptions& s = train.options.schedule;
  std::vector<std::string> out;
  const auto number = [](double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return std::string(text);
  };
  const std::string run = "a run of " + number(epochs) + (epochs == 1 ? " epoch" : " epochs");
  if (s.warmup_epochs > 0 && s.warmup_epochs >= epochs)
    out.push_back("train.warmup_epochs = " + number(s.warmup_epochs) + " in " + run + ": the full rate is never reached");
  if (s.kind == train::ScheduleKind::step && s.step_epochs >= epochs)
    out.push_back("train.step_epochs = " + number(s.step_epochs) + " in " + run + ": the rate never steps down");
  const bool shaped = s.kind == train::ScheduleKind::cosine || s.kind == train::ScheduleKind::one_cycle;
  if (shaped && !s.every_step && epochs <= 1)
    out.push_back("train.schedule changes the rate between epochs only, in " + run + ": it stays as it is; schedule_every = \"step\" changes it every step");
  return out;
}

Mode mode_of(const TrainSpec& train) { return train.mode != Mode::automatic ? train.mode : train.ranks > 1 ? Mode::ddp : Mode::single; }

const std::vector<std::string>& data_names() {
  static const std::vector<std::string> names{"mnist", "fashion-mnist", "cifar10", "cifar100", "digits", "folder", "idx"};
  return names;
}

Spec parse_spec(const Document& document, int cores, bool launched) {
  Spec spec;
  spec.file = document.file;
  check_tables(document);
  check_pairs(document);
  read_section(document, "data", spec.data);
  read_section(document, "loader", spec.loader);
  read_section(document, "train", spec.train);
  for (const Section& s : document.augment) spec.augment.push_back(read_step(s, spec.warnings));
  if (const Section* s = document.find("study")) spec.study = read_study(*s);
  if (spec.data.name == "folder" && spec.data.path.empty())
    refuse(document.file, "data.name = \"folder\" needs data.path", "data.path is the folder whose subfolders are the classes");
  if (spec.data.name == "idx" && spec.data.path.empty())
    refuse(document.file, "data.name = \"idx\" needs data.path", "data.path is the folder of the IDX files, data.files what their names begin with");
  if (const Section* data = document.find("data"))
    for (const char* key : kBatchKeys)
      if (const Entry* e = data->find(key)) spec.batch_place = e->value_place;
  warn(document, spec, cores, launched, spec.warnings);
  return spec;
}

Json to_json(const Spec& spec) {
  const auto table = [](auto part) {
    KeyWriter keys;
    visit(keys, part);
    return std::move(keys.out);
  };
  Json out;
  out["data"] = table(spec.data);
  out["loader"] = table(spec.loader);
  out["loader"].erase("watchdog_seconds");  // Who looks on changes nothing: the same settings, the same digest.
  out["augment"] = Json::array();
  for (AugmentSpec a : spec.augment) {
    if (!a.enabled) continue;
    KeyWriter keys;
    keys.out[a.op.empty() ? "recipe" : "op"] = a.op.empty() ? a.recipe : a.op;
    visit(keys, a.step);
    out["augment"].push_back(std::move(keys.out));
  }
  out["train"] = table(spec.train);
  // One of the two is what decides.
  out["train"].erase(spec.train.steps ? "epochs" : "steps");
  return out;
}

std::string digest_of(const Spec& spec) {
  const std::string text = to_json(spec).dump();
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits;
}

}  // namespace millrace
