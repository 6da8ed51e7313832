#include "experiments/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "experiments/record_check.h"
#include "experiments/text_file.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using train::TensorView;

constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kRanks = "ranks.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kSums = "sums.xxh128";
constexpr std::array kFiles{kWeights, kOptimizer, kRanks, kState}; // In the order of their sums.
constexpr std::string_view kPrefix = "step-";
constexpr std::uintmax_t kMostText = 16 << 20;

std::string name_of(std::uint64_t step) {
  char text[32];
  std::snprintf(text, sizeof text, "step-%09llu", static_cast<unsigned long long>(step));
  return text;
}

/// A running XXH3-128, as xxh128sum writes it.
class Sum {
 public:
  Sum() { XXH3_128bits_reset(&state_); }
  void add(const void* data, std::size_t bytes) { XXH3_128bits_update(&state_, data, bytes); }
  std::string line(const char* file) const {
    const XXH128_hash_t sum = XXH3_128bits_digest(&state_);
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(sum.high64), static_cast<unsigned long long>(sum.low64));
    return std::string(text) + "  " + file + "\n";
  }

 private:
  XXH3_state_t state_;
};

/// Writes one file and returns its line of the sums.
template <class Fill>
std::string write_file(const Durable& durable, const std::string& folder, const char* name, Fill&& fill) {
  Durable::File file(durable, folder + "/" + name);
  Sum sum;
  fill([&](std::span<const std::byte> piece) {
    sum.add(piece.data(), piece.size());
    file.write(piece);
  });
  file.finish();
  return sum.line(name);
}

std::string write_tensors(const Durable& durable, const std::string& folder, const char* name, const std::vector<TensorView>& tensors) {
  return write_file(durable, folder, name, [&](const auto& sink) { train::write_safetensors(tensors, {{"format", "pt"}}, sink); });
}

std::string write_text(const Durable& durable, const std::string& folder, const char* name, const std::string& text) {
  return write_file(durable, folder, name, [&](const auto& sink) { sink(std::as_bytes(std::span(text))); });
}

/// Removal has two moves, so that a checkpoint's name never stands for a part of one.
void remove_checkpoint(const std::string& parent, const std::string& path, const Durable& durable) {
  const std::string away = parent + "/.removed-" + fs::path(path).filename().string();
  durable.remove_all(away);
  durable.rename(path, away);
  durable.remove_all(away);
}

Error broken(const std::string& file, const std::string& cause) { return {ErrorKind::data, file + ": " + cause}; }

std::string read_text(const std::string& file) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(file, error);
  if (error) throw broken(file, error == std::errc::no_such_file_or_directory ? "is missing" : error.message());
  if (bytes > kMostText) throw broken(file, std::to_string(bytes) + " bytes are over the limit of 16 MiB");
  std::ifstream in(file, std::ios::binary);
  std::string text(static_cast<std::size_t>(bytes), '\0');
  in.read(text.data(), static_cast<std::streamsize>(bytes));
  if (!in) throw broken(file, "cannot be read");
  return text;
}

std::string sum_of(const std::string& folder, const char* name) {
  const std::string file = folder + "/" + name;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw broken(file, fs::exists(file) ? "cannot be read" : "is missing");
  Sum sum;
  std::vector<char> piece(1 << 20);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) sum.add(piece.data(), static_cast<std::size_t>(in.gcount()));
  if (in.bad()) throw broken(file, "cannot be read");
  return sum.line(name);
}

/// Errors: Error(data) with the file whose bytes are not those that were written.
void verify(const std::string& folder) {
  const std::string file = folder + "/" + kSums, sums = read_text(file);
  std::size_t at = 0;
  for (const char* name : kFiles) {
    if (name == kRanks && !fs::exists(folder + "/" + kRanks)) continue;
    const std::string line = sum_of(folder, name);
    if (sums.compare(at, line.size(), line) != 0) {
      const bool other_name = sums.compare(std::min(sums.size(), at + 32), line.size() - 32, line, 32) != 0;
      throw broken(other_name ? file : folder + "/" + name, other_name ? "does not list the files that are here" : "its sum is not that of " + std::string(kSums));
    }
    at += line.size();
  }
  if (at != sums.size()) throw broken(file, "does not list the files that are here");
}

std::uint64_t tensor_bytes(const train::SafetensorsFile& file) {
  std::uint64_t bytes = 0;
  for (const train::TensorEntry& t : file.tensors()) bytes += (t.bytes + 63) / 64 * 64;
  return bytes;
}

std::vector<TensorView> read_tensors(const train::SafetensorsFile& file, std::byte*& memory) {
  std::vector<TensorView> out;
  for (const train::TensorEntry& t : file.tensors()) {
    const std::span<std::byte> bytes(memory, static_cast<std::size_t>(t.bytes));
    file.read(t, bytes);
    out.push_back({t.name, t.type, t.shape, bytes});
    memory += (t.bytes + 63) / 64 * 64;
  }
  return out;
}

std::string rank_prefix(int rank) { return "rank." + std::to_string(rank) + "."; }

}  // namespace

std::vector<TensorView> Checkpoint::own_of(int rank) const {
  const std::string prefix = rank_prefix(rank);
  std::vector<TensorView> out;
  for (const TensorView& t : ranks)
    if (t.name.starts_with(prefix)) out.emplace_back(t).name.erase(0, prefix.size());
  return out;
}

std::string own_as_bytes(const train::TrainerState& state) {
  std::string out;
  train::write_safetensors(state.own, {}, [&](std::span<const std::byte> piece) {
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return out;
}

std::vector<TensorView> tensors_of_ranks(const std::vector<std::string>& by_rank) {
  std::vector<TensorView> out;
  for (std::size_t r = 0; r < by_rank.size(); ++r) {
    const std::string& all = by_rank[r];
    const std::string who = "what rank " + std::to_string(r) + " sent";
    std::uint64_t length = 0;
    if (all.size() >= sizeof length) std::memcpy(&length, all.data(), sizeof length);
    if (all.size() < sizeof length || length > all.size() - sizeof length) throw broken(who, "is not tensors");
    const auto header = train::parse_safetensors_header(std::string_view(all).substr(sizeof length, length), all.size(), who);
    for (const train::TensorEntry& t : header.tensors)
      out.push_back({rank_prefix(static_cast<int>(r)) + t.name, t.type, t.shape, std::as_bytes(std::span(all)).subspan(t.offset_bytes, t.bytes)});
  }
  return out;
}

std::string write_checkpoint(const std::string& parent, const CheckpointContents& contents, const Durable& durable) {
  std::error_code error;
  if (!fs::is_directory(parent, error)) {
    durable.make_folder(parent);
    const fs::path above = fs::path(parent).parent_path();
    durable.flush_folder(above.empty() ? "." : above.string());
  }
  const std::string path = parent + "/" + name_of(contents.step), temporary = parent + "/." + name_of(contents.step);
  durable.remove_all(temporary);
  try {
    durable.make_folder(temporary);
    std::string sums = write_tensors(durable, temporary, kWeights, contents.tensors->weights);
    sums += write_tensors(durable, temporary, kOptimizer, contents.tensors->optimizer);
    if (!contents.ranks.empty()) sums += write_tensors(durable, temporary, kRanks, contents.ranks);
    sums += write_text(durable, temporary, kState, line_of(contents.state) + "\n");
    write_text(durable, temporary, kSums, sums);
    durable.flush_folder(temporary);
    if (fs::exists(path, error)) remove_checkpoint(parent, path, durable);
    durable.rename(temporary, path);
    durable.flush_folder(parent);
  } catch (...) {
    try {
      durable.remove_all(temporary);
    } catch (const Error&) {
      // The first failure is the one to tell; thin_out removes the rest later.
    }
    throw;
  }
  return path;
}

Checkpoint read_checkpoint(const std::string& path) {
  if (std::error_code error; !fs::is_directory(path, error)) throw broken(path, "no such checkpoint (a folder step-...)");
  verify(path);
  Checkpoint out;
  out.path = path;
  const std::string text = read_text(path + "/" + kState);
  constexpr std::size_t kDeepest = 64;
  out.state = depth_of(text) > kDeepest ? Json() : Json::parse(text, nullptr, false);
  if (!out.state.is_object()) throw broken(path + "/" + kState, "not a JSON object");
  const train::SafetensorsFile weights(path + "/" + kWeights), optimizer(path + "/" + kOptimizer);
  std::optional<train::SafetensorsFile> ranks;
  if (fs::exists(path + "/" + kRanks)) ranks.emplace(path + "/" + kRanks);
  const std::uint64_t bytes = tensor_bytes(weights) + tensor_bytes(optimizer) + (ranks ? tensor_bytes(*ranks) : 0);
  std::byte* memory = out.tensors.memory.reserve(std::max<std::uint64_t>(64, bytes), plain_slot_memory());
  out.tensors.weights = read_tensors(weights, memory);
  out.tensors.optimizer = read_tensors(optimizer, memory);
  if (ranks) out.ranks = read_tensors(*ranks, memory);
  return out;
}

std::vector<CheckpointName> checkpoints_in(const std::string& parent) {
  std::vector<CheckpointName> out;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::uint64_t step = 0;
    if (!name.starts_with(kPrefix)) continue;
    const char *first = name.data() + kPrefix.size(), *last = name.data() + name.size();
    const auto [rest, failure] = std::from_chars(first, last, step);
    if (failure == std::errc() && rest == last && name == name_of(step) && it->is_directory(error)) out.push_back({step, it->path().string()});
  }
  std::sort(out.begin(), out.end(), [](const CheckpointName& a, const CheckpointName& b) { return a.step > b.step; });
  return out;
}

void thin_out(const std::string& parent, std::uint64_t step, int keep, const Durable& durable) {
  int kept = 0;
  for (const CheckpointName& c : checkpoints_in(parent))
    if (c.step <= step && ++kept > keep) remove_checkpoint(parent, c.path, durable);
  std::error_code error;
  std::vector<std::string> unfinished;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("." + std::string(kPrefix)) || name.starts_with(".removed-")) unfinished.push_back(it->path().string());
  }
  for (const std::string& path : unfinished) durable.remove_all(path);
}

NewestCheckpoint newest_checkpoint(const std::string& parent) {
  NewestCheckpoint out;
  for (const CheckpointName& c : checkpoints_in(parent)) {
    try {
      out.found = read_checkpoint(c.path);
      break;
    } catch (const Error& e) {
      out.passed_over.push_back(e.what());
    }
  }
  return out;
}

}  // namespace millrace
