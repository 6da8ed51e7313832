#include "experiments/memory.h"

#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "experiments/assemble.h"
#include "experiments/terminal.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
}

std::string size_text(std::uint64_t bytes) { return bytes_text(double(bytes)); }

std::string arithmetic(const MemoryForecast& f) {
  std::string out = "slots " + size_text(f.slots) + " (" + std::to_string(f.slot_count) + " of " + size_text(f.slot_bytes) + "), workspaces " +
                    size_text(f.workspaces) + " (" + std::to_string(f.workspace_count) + " of " + size_text(f.workspace_bytes) + ")";
  if (f.plan) out += ", plan " + size_text(f.plan);
  out += ", threads " + size_text(f.threads) + ", code " + size_text(f.code);
  if (f.beside) out += ", beside it " + size_text(f.beside);
  if (f.cache) out += ", cache " + size_text(f.cache);
  return out;
}

std::uint64_t picture_bytes(const MemoryForecast& f) { return 3 * static_cast<std::uint64_t>(f.largest.width) * static_cast<std::uint64_t>(f.largest.height); }

void add_desks(MemoryForecast& f, const LoaderSpec& loader) {
  if (loader.cache != CacheKind::decoded) return;  // Each worker decodes whole pictures for it, beside its own.
  f.workspace_bytes += picture_bytes(f);
  f.workspaces += static_cast<std::uint64_t>(f.workspace_count) * picture_bytes(f);
}

}  // namespace

MemoryBound memory_bound(const LoaderSpec& loader, int processes, std::optional<std::uint64_t> cgroup) {
  if (loader.memory) return {loader.memory, "loader.memory"};
  const std::uint64_t machine = machine_memory();
  const bool limited = cgroup && *cgroup < machine;
  const std::uint64_t whole = limited ? *cgroup : machine, share = whole / 2 / static_cast<std::uint64_t>(std::max(1, processes));
  return {share, "half of the " + size_text(whole) + (limited ? " that the cgroup allows" : " of this machine") +
                     (processes > 1 ? ", shared by " + std::to_string(processes) + " processes" : "")};
}

std::string FittedMemory::text() const {
  return "memory: forecast " + size_text(forecast.total()) + " of " + size_text(bound.bytes) + " (" + bound.reason + "): " + arithmetic(forecast);
}

FittedMemory fit_memory(const Spec& spec, const Source& source, const Recipe& recipe, LoaderOptions& options, const MemoryBound& bound,
                        std::uint64_t beside) {
  FittedMemory out;
  out.bound = bound;
  MemoryForecast& f = out.forecast;
  f = forecast_memory(source, recipe, options);
  options.buffers = f.buffers;
  options.workspace_bytes = f.buffer_bytes;  // A picture may be as large as it likes while it is worked on, but no worker keeps the room for it.
  add_desks(f, spec.loader);
  f.beside = beside;
  const std::uint64_t slot_of_all = f.slot_bytes * static_cast<std::uint64_t>(options.local_ranks);
  const int wanted = options.prefetch;
  while (options.workers > 0 && options.prefetch > 1 && f.total() > bound.bytes) {
    --options.prefetch;
    f.slot_count -= options.local_ranks;
    f.slots -= slot_of_all;
  }
  if (f.total() > bound.bytes)
    throw Error(ErrorKind::usage,
                "the loader needs " + size_text(f.total()) + (options.workers > 0 ? " with prefetch 1" : "") + ", the bound is " + size_text(bound.bytes) + " (" + bound.reason +
                    "): " + arithmetic(f),
                "raise loader.memory, or lower data.batch" + std::string(options.workers > 1 ? ", loader.workers" : "") +
                    (spec.data.dtype == Dtype::f32 ? ", or take data.dtype = \"u8\", a quarter of the bytes" : ""));
  if (options.prefetch < wanted)
    out.note = "loader.prefetch is " + std::to_string(options.prefetch) + " in place of " + std::to_string(wanted) + ": the bound is " + size_text(bound.bytes) + " (" +
               bound.reason + ")";
  if (spec.loader.cache == CacheKind::none || !(source.info().raw_size == Size{})) return out;
  const std::uint64_t left = bound.bytes - f.total(), least = SampleCache::bytes_for(source.size(), 0);
  if (left <= least) {
    out.note += (out.note.empty() ? "" : "; ") + std::string("nothing of the bound is left for loader.cache");
    return out;
  }
  const CacheHolds holds = spec.loader.cache == CacheKind::encoded ? CacheHolds::encoded : CacheHolds::decoded;
  const std::uint64_t largest = holds == CacheHolds::encoded ? f.largest_file : picture_bytes(f);
  f.cache = std::min(left, SampleCache::bytes_for(source.size(), largest));  // No more than the whole set.
  out.cache = std::make_unique<CachedSource>(source, holds, f.cache, options.make_decoder, picture_bytes(f));
  return out;
}

std::uint64_t fit_evaluation(const Source& source, const Recipe& recipe, LoaderOptions& options, std::uint64_t available) {
  const auto ranks = static_cast<std::uint64_t>(options.world_size);
  const auto needs = [&] {
    LoaderOptions used = options;
    if (options.batch < ranks) used.world_size = used.local_ranks = 1;  // Fewer samples than ranks are rank 0's alone.
    const MemoryForecast f = forecast_memory(source, recipe, used);
    options.buffers = f.buffers;
    options.workspace_bytes = f.buffer_bytes;
    return f.total() - f.code;  // Training's loader has it already.
  };
  std::uint64_t bytes = needs();
  if (bytes > available && options.workers > 0 && options.prefetch > 1) {
    options.prefetch = 1;
    bytes = needs();
  }
  while (bytes > available && options.batch / 2 >= 32 * ranks) {
    options.batch /= 2;
    options.batches = steps_per_epoch(source.size(), options.batch, false);
    bytes = needs();
  }
  return bytes;
}

Json to_json(const FittedMemory& m) {
  const MemoryForecast& f = m.forecast;
  Json out{{"bound_bytes", m.bound.bytes},        {"bound", m.bound.reason},       {"forecast_bytes", f.total()},
           {"slot_bytes", f.slots},               {"workspace_bytes", f.workspaces}, {"plan_bytes", f.plan},
           {"thread_bytes", f.threads}, {"code_bytes", f.code},              {"evaluation_bytes", f.beside}, {"cache_bytes", f.cache},        {"largest", {f.largest.width, f.largest.height}},
           {"looked_at", f.looked_at}};
  if (m.cache) {
    out["cached_samples"] = m.cache->cache().count();
    out["cached_bytes"] = m.cache->cache().bytes();
  }
  return out;
}

}  // namespace millrace
