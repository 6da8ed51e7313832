// millrace compare: the same spec by Millrace and by PyTorch's DataLoader, in turn, each run in a process of its own.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "experiments/commands.h"
#include "experiments/compare_plan.h"
#include "experiments/results.h"
#include "experiments/text_file.h"
#include "experiments/tree_run.h"
#include "experiments/tune.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "compare_dataloader.py";
constexpr const char* kInstall = "torch==2.11.0 torchvision==0.26.0 pillow timm";

fs::path program() { return fs::read_symlink("/proc/self/exe"); }

/// The script lies with the sources: above the program (build/<preset>/millrace), in its share/, or below the working folder.
std::string find_script() {
  std::error_code error;
  std::vector<fs::path> places;
  for (fs::path above = program().parent_path(); above.has_relative_path(); above = above.parent_path()) {
    places.push_back(above / "share" / "millrace" / "experiments" / kScript);
    places.push_back(above / "experiments" / kScript);
  }
  places.push_back(fs::path("experiments") / kScript);
  for (const fs::path& place : places)
    if (fs::is_regular_file(place, error)) return fs::absolute(place).string();
  throw Error(ErrorKind::usage, std::string("no ") + kScript + " near " + program().string(), "start the program from where it was built, or from the source tree");
}

/// MILLRACE_PYTHON, else the project's own virtual environment, above the program or in the working folder.
std::string find_python() {
  if (const char* named = std::getenv("MILLRACE_PYTHON"); named && *named) return named;
  std::error_code error;
  for (fs::path above = program().parent_path(); above.has_relative_path(); above = above.parent_path())
    if (fs::exists(above / ".venv" / "bin" / "python", error)) return (above / ".venv" / "bin" / "python").string();
  if (fs::exists(".venv/bin/python", error)) return fs::absolute(".venv/bin/python").string();
  throw Error(ErrorKind::usage, "no Python: MILLRACE_PYTHON is not set and there is no .venv", "make compare-deps");
}

/// A folder that goes when this does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "millrace-compare-XXXXXX").string();
    if (!mkdtemp(name.data())) throw Error(ErrorKind::internal, "no temporary folder " + name, "set TMPDIR");
    path = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  std::string path;
};

/// The last line of an output, where it is an object.
Json last_object(const std::string& out) {
  const auto end = out.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const auto begin = out.rfind('\n', end);
  const std::string line = out.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
  Json json = Json::parse(line, nullptr, false);
  return json.is_object() ? json : Json();
}

/// What a program that failed said last; of Millrace's own the error and not its hint.
std::string last_line(const std::string& text) {
  std::istringstream in(text);
  std::string out = "nothing was said";
  for (std::string line; std::getline(in, line);)
    if (line.find_first_not_of(' ') != std::string::npos && !line.starts_with("  hint: ")) out = line;
  return out;
}

/// One of those that are compared.
struct Contestant {
  std::string name;      ///< "millrace", "dataloader usual", "dataloader batched".
  std::vector<std::string> command;
  std::vector<Json> runs;
  std::string failed;    ///< Why it does not take part; empty: it does.
};

Spread spread_of(const std::vector<Json>& runs, const char* key, double scale = 1) {
  std::vector<double> v;
  for (const Json& run : runs)
    if (run.contains(key) && run[key].is_number()) v.push_back(run[key].get<double>() * scale);
  return Spread::of(std::move(v));
}
Json to_json(const Spread& s) { return {{"median", s.median}, {"least", s.low}, {"most", s.high}}; }

/// A plan as text. Errors: Error(data) for a file whose name no JSON can hold.
std::string text_of(const Json& plan) try {
  return plan.dump();
} catch (const Json::type_error&) {
  for (const Json& file : plan.value("files", Json::array())) {
    try {
      (void)file.dump();
    } catch (const Json::type_error&) {
      throw Error(ErrorKind::data, file.get<std::string>() + ": the name is not UTF-8, and the DataLoader side is given names as JSON", "rename the file");
    }
  }
  throw;
}

class Comparison {
 public:
  Comparison(const SpecArguments& arguments, const Context& context)
      : arguments_(arguments), context_(context), spec_(read_spec(arguments, context)), sources_([&](const std::string& text) { context.out.warning(text); }),
        source_(sources_.train(spec_.data)), python_(find_python()) {
    if (spec_.train.ranks > 1) throw Error(ErrorKind::usage, "millrace compare is of one rank's loader", "--set train.ranks=1");
    check_batch(spec_, source_);
    settle_workers(spec_, sources_, context);
    plan_ = dataloader_plan(spec_, source_.info());
    plan_["seconds"] = arguments.seconds;
    give_samples(source_, path_of(spec_.data), folder_.path, plan_);
    contestants_.push_back({"millrace", own({"bench", "loader"}), {}, {}});
    const std::string script = find_script();
    for (const std::string& recipe : dataloader_recipes(spec_, source_.info())) {
      plan_["recipe"] = recipe;
      const std::string path = folder_.path + "/" + recipe + ".json";
      std::ofstream(path) << text_of(plan_);
      contestants_.push_back({"dataloader " + recipe, {python_, script, path}, {}, {}});
    }
    contestants_.push_back({"step", own({"bench", "step"}), {}, {}});
  }

  /// False: a stop was requested.
  bool run() {
    for (int r = 0; r < arguments_.repeats; ++r)
      for (Contestant& c : contestants_)
        if (c.failed.empty() && !run_once(c, r)) return false;
    context_.out.clear();
    const auto others = contestants_.begin() + 1;
    if (contestants_[0].runs.empty()) throw Error(ErrorKind::internal, "bench loader failed: " + contestants_[0].failed);
    if (std::all_of(others, contestants_.end() - 1, [](const Contestant& c) { return c.runs.empty(); })) throw Error(ErrorKind::usage, others->failed, hint_);
    return true;
  }

  Json json() const {
    Json out;
    out["spec"] = arguments_.spec;
    out["spec_digest"] = digest_of(spec_);
    out["workers"] = spec_.loader.workers;
    out["batch"] = spec_.data.batch;
    out["repeats"] = arguments_.repeats;
    out["seconds"] = arguments_.seconds;
    out["images"] = images();
    out["contestants"] = Json::array();
    for (std::size_t i = 0; i + 1 < contestants_.size(); ++i) out["contestants"].push_back(row_json(contestants_[i]));
    out["step"] = !contestants_.back().runs.empty() ? Json{{"images_per_second", to_json(spread_of(contestants_.back().runs, "images_per_second"))}}
                                                      : Json{{"failed", contestants_.back().failed}};
    out["python"] = python_;
    out["commit"] = build_commit();
    out["host"] = millrace::to_json(context_.host);
    return out;
  }

  Table table() const {
    Table out({"loader", "images/s", "range", "times", "first batch ms", "CPU s/1000", "peak RSS", "peak PSS", "training s"});
    const double ours = spread_of(contestants_[0].runs, "images_per_second").median;
    for (std::size_t i = 0; i + 1 < contestants_.size(); ++i) {
      const Contestant& c = contestants_[i];
      if (c.runs.empty()) continue;
      const Spread rate = spread_of(c.runs, "images_per_second");
      const double training = training_of(c);
      out.add({c.name, grouped(rate.median), grouped(rate.low) + "-" + grouped(rate.high), significant(rate.median / ours, 3),
               significant(spread_of(c.runs, "first_batch_seconds", 1e3).median, 3), significant(spread_of(c.runs, "cpu_seconds_per_1000_images").median, 3),
               bytes_text(spread_of(c.runs, "tree_peak_rss_bytes").median), bytes_text(spread_of(c.runs, "tree_peak_pss_bytes").median),
               training > 0 ? significant(training, 3) : "-"});
    }
    return out;
  }

  /// What the table does not say.
  std::string notes() const {
    std::string out;
    const auto line = [&](const std::string& text) { out += text + "\n"; };
    const Contestant& step = contestants_.back();
    line(std::to_string(arguments_.repeats) + " runs of each in turn, each in a process of its own: medians; a window of " + significant(arguments_.seconds, 3) + " s after " +
         "1.2 s and 6 batches of warm-up; " + std::to_string(spec_.loader.workers) + " workers, batch " + std::to_string(spec_.data.batch) + ".");
    line("RSS counts a page of several processes once for each, PSS divides it among them.");
    if (!step.runs.empty())
      line("Training: " + grouped(images()) + " images with the trainer's step as measured, " + grouped(spread_of(step.runs, "images_per_second").median) +
           " images/s; loader and step " + (spec_.loader.workers ? "at the same time, within the " + std::to_string(context_.host.cores) + " cores." : "in turn."));
    else
      line("Training: not predicted, bench step failed: " + step.failed);
    for (const Contestant& c : contestants_)
      if (!c.failed.empty() && c.name != "step")
        line(c.name + (c.runs.empty() ? ": not run: " : ": failed in run " + std::to_string(c.runs.size() + 1) + ": ") + c.failed + (hint_.empty() ? "" : " (" + hint_ + ")"));
    for (const Contestant& c : contestants_)
      if (!c.runs.empty() && c.runs[0].contains("versions")) {
        std::string versions;
        for (const auto& [name, v] : c.runs[0]["versions"].items()) versions += (versions.empty() ? "" : ", ") + name + " " + v.get<std::string>();
        line(c.name + ": " + versions + ".");
      }
    return out;
  }

  void write(const std::string& folder) const {
    make_folder(folder);
    std::ofstream lines(folder + "/compare.jsonl");
    for (const Contestant& c : contestants_)
      for (const Json& run : c.runs) lines << line_of(run) << "\n";
    std::ofstream page(folder + "/compare.md");
    page << "# " << fs::path(arguments_.spec).stem().string() << ": Millrace beside PyTorch's DataLoader\n\n`" << context_.command << "`\n\n"
         << context_.host.cpu << ", " << context_.host.cores << " cores; " << context_.host.os << "; commit " << build_commit() << ".\n\n"
         << table().markdown() << "\n" << notes();
    lines.close();
    page.close();
    if (!lines || !page) throw Error(ErrorKind::data, folder + " cannot be written", "check --out");
  }

 private:
  double images() const {
    const auto& t = spec_.train;
    const double batch = double(spec_.data.batch);
    if (t.steps) return double(t.steps) * batch;
    return t.epochs * (spec_.loader.drop_last ? double(source_.size() / spec_.data.batch) * batch : double(source_.size()));
  }

  /// This program on the same spec.
  std::vector<std::string> own(std::vector<std::string> words) const {
    std::vector<std::string> out{program().string()};
    out.insert(out.end(), words.begin(), words.end());
    out.push_back(arguments_.spec);
    for (const std::string& set : arguments_.sets) {
      out.emplace_back("--set");
      out.push_back(set);
    }
    out.insert(out.end(), {"--set", "loader.workers=" + std::to_string(spec_.loader.workers)});  // As settled, where the spec says "auto".
    out.insert(out.end(), {"--json", "--seconds", fixed(arguments_.seconds, 3)});
    return out;
  }

  bool run_once(Contestant& c, int repetition) {
    constexpr auto kBeyondTheWindow = std::chrono::seconds(600);  // Imports, starting workers, warm-up.
    context_.out.progress("compare: " + c.name + ", run " + std::to_string(repetition + 1) + " of " + std::to_string(arguments_.repeats));
    const auto limit = std::chrono::milliseconds(static_cast<long>(arguments_.seconds * 1e3)) + kBeyondTheWindow;
    const TreeRun run = run_tree(c.command, limit, context_.stop);
    if (context_.stop.stop_requested()) return false;
    Json result = last_object(run.out);
    if (run.timed_out) {
      c.failed = "no result within " + std::to_string(limit.count() / 1000) + " s";
    } else if (result.contains("missing")) {
      std::string names;
      for (const Json& name : result["missing"]) names += (names.empty() ? "" : ", ") + name.get<std::string>();
      c.failed = "the Python " + python_ + " has no " + names;
      hint_ = std::string("make compare-deps (into .venv); or ") + python_ + " -m pip install " + kInstall + "; or MILLRACE_PYTHON=another Python";
    } else if (run.status != 0 || !result.contains("images_per_second")) {
      c.failed = result.contains("error") ? result["error"].get<std::string>() : last_line(run.err);
    }
    if (!c.failed.empty()) return true;
    result["contestant"] = c.name;
    result["repetition"] = repetition;
    result["tree_peak_rss_bytes"] = run.peak_rss_bytes;
    result["tree_peak_pss_bytes"] = run.peak_pss_bytes;
    c.runs.push_back(std::move(result));
    return true;
  }

  /// 0: there is no step to go with it.
  double training_of(const Contestant& c) const {
    const Contestant& step = contestants_.back();
    if (step.runs.empty() || c.runs.empty()) return 0;
    const bool on_device = step.runs[0].value("device", "").starts_with("cuda");  // Its CPU launches kernels, on one thread.
    const int threads = on_device ? 1 : spec_.train.options.threads ? std::min(spec_.train.options.threads, context_.host.cores) : context_.host.cores;
    const double rate = spread_of(step.runs, "images_per_second").median;
    const bool sleeps = spec_.train.options.model == "sleep";
    const Side trainer{rate, sleeps ? 0 : threads / rate};  // Its threads are busy for as long as a step takes.
    const Side loader{spread_of(c.runs, "images_per_second").median, spread_of(c.runs, "cpu_seconds_per_1000_images").median / 1000};
    return training_seconds(images(), loader, trainer, spec_.loader.workers, context_.host.cores);
  }

  Json row_json(const Contestant& c) const {
    if (c.runs.empty()) return {{"name", c.name}, {"failed", c.failed}};
    Json out{{"name", c.name}, {"runs", c.runs.size()}};
    if (!c.failed.empty()) out["failed"] = c.failed;
    for (const char* key : {"images_per_second", "first_batch_seconds", "cpu_seconds_per_1000_images", "tree_peak_rss_bytes", "tree_peak_pss_bytes"})
      out[key] = to_json(spread_of(c.runs, key));
    if (const double seconds = training_of(c); seconds > 0) out["training_seconds"] = seconds;
    if (c.runs[0].contains("versions")) out["versions"] = c.runs[0]["versions"];
    return out;
  }

  const SpecArguments& arguments_;
  const Context& context_;
  Spec spec_;
  SourceShelf sources_;
  const Source& source_;
  const std::string python_;
  TemporaryFolder folder_;
  Json plan_;
  std::vector<Contestant> contestants_;  // The first is Millrace's loader, the last its trainer.
  std::string hint_;
};

}  // namespace

int compare_command(const SpecArguments& arguments, const Context& context) {
  Comparison comparison(arguments, context);
  if (!arguments.out.empty()) make_folder(arguments.out);  // Before the first run: minutes would be lost after the last.
  if (!comparison.run()) return 0;  // A part of the runs is not a result.
  std::printf("%s\n%s", comparison.table().text().c_str(), comparison.notes().c_str());
  std::fflush(stdout);
  if (!arguments.out.empty()) comparison.write(arguments.out);
  if (!arguments.out.empty()) std::printf("written: %s/compare.md %s/compare.jsonl\n", arguments.out.c_str(), arguments.out.c_str());
  if (arguments.json) std::printf("%s\n", line_of(comparison.json()).c_str());
  return 0;
}

}  // namespace millrace
