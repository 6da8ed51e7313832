#include "datasets/cifar.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "datasets/raw_set.h"

namespace millrace {
namespace {

constexpr std::uint64_t kPlane = 32 * 32, kImage = 3 * kPlane, kMaxBytes = std::uint64_t{4} << 30;

/// What differs between the two sets.
struct Form {
  const char* name;
  const char* folder;
  std::vector<std::string> files;
  const char* names_file;
  std::uint64_t label_bytes;                ///< Bytes before the pixels of a record.
  std::vector<std::uint8_t> label_limits;   ///< Number of values of each label byte.
  std::uint64_t label_at;                   ///< Which of them is the label.
  std::uint64_t published_records;          ///< Of each file.
  std::vector<std::string> classes;         ///< Without the names' file.

  std::uint64_t record_bytes() const { return label_bytes + kImage; }
};

Form form_of(const CifarOptions& options) {
  const bool train = options.split == Split::train;
  if (options.set == CifarOptions::Set::cifar10) {
    std::vector<std::string> files = {"test_batch.bin"};
    if (train) files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
    return {"cifar10", "cifar-10-batches-bin", files, "batches.meta.txt", 1, {10}, 0, 10'000,
            {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
  }
  const bool fine = options.labels == CifarOptions::Labels::fine;
  return {"cifar100", "cifar-100-binary", {train ? "train.bin" : "test.bin"}, fine ? "fine_label_names.txt" : "coarse_label_names.txt", 2, {20, 100},
          fine ? 1u : 0u, train ? 50'000u : 10'000u, numbered_classes(fine ? 100 : 20)};
}

std::filesystem::path folder_of(const CifarOptions& options, const Form& form) {
  std::error_code ignored;
  const bool here = std::filesystem::exists(options.folder / form.files.front(), ignored);
  const auto inner = options.folder / form.folder;
  return !here && std::filesystem::is_directory(inner, ignored) ? inner : options.folder;
}

std::vector<std::string> classes_of(const std::filesystem::path& folder, const Form& form) {
  std::error_code ignored;
  const auto path = folder / form.names_file;
  if (!std::filesystem::exists(path, ignored)) return form.classes;
  auto names = read_lines(path);
  if (names.size() != form.classes.size()) {
    throw data_error(path, "holds " + std::to_string(names.size()) + " class names, " + form.name + " has " + std::to_string(form.classes.size()),
                     "fetch the file again, or remove it to do without names");
  }
  return names;
}

/// Checks that the file is a whole number of records; returns it.
std::uint64_t count_records(const File& file, const Form& form, const CifarOptions& options) {
  const std::uint64_t size = file.size_bytes(), records = size / form.record_bytes(), rest = size % form.record_bytes();
  if (rest != 0) {
    throw data_error(file.path(), size - rest, "the last record has " + std::to_string(rest) + " bytes of " + std::to_string(form.record_bytes()),
                     "the file is truncated or of another set: fetch it again");
  }
  if (records == 0) throw data_error(file.path(), "the file is empty", "fetch it again");
  if (size > kMaxBytes) throw data_error(file.path(), "has more than 4 GiB", "use a folder of pictures");
  if (records != form.published_records && options.verify != Verify::off) {
    report_unpublished(file.path(), "holds " + std::to_string(records) + " records, the published file " + std::to_string(form.published_records),
                       options.verify, options.warn);
  }
  return records;
}

void interleave(const std::uint8_t* planes, std::uint8_t* out) {
  for (std::uint64_t i = 0; i < kPlane; ++i) {
    out[3 * i] = planes[i];
    out[3 * i + 1] = planes[kPlane + i];
    out[3 * i + 2] = planes[2 * kPlane + i];
  }
}

void check_labels(const File& file, const Form& form, std::uint64_t offset, const std::uint8_t* record) {
  for (std::uint64_t i = 0; i < form.label_bytes; ++i) {
    if (record[i] < form.label_limits[i]) continue;
    throw data_error(file.path(), offset + i, "label " + std::to_string(record[i]) + " is out of range 0.." + std::to_string(form.label_limits[i] - 1),
                     "the file is damaged or of another set: fetch it again");
  }
}

/// Appends the file's records to the set, from picture `first` on; reads a few at a time so that the file is never held twice.
void read_records(const File& file, const Form& form, std::uint64_t records, std::uint64_t first, RawSet& set) {
  constexpr std::uint64_t kRecordsAtOnce = 128;
  std::vector<std::uint8_t> piece(kRecordsAtOnce * form.record_bytes());
  for (std::uint64_t begin = 0; begin < records; begin += kRecordsAtOnce) {
    const std::uint64_t count = std::min(kRecordsAtOnce, records - begin), offset = begin * form.record_bytes();
    file.read(offset, std::span(piece).first(count * form.record_bytes()));
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint8_t* record = piece.data() + i * form.record_bytes();
      check_labels(file, form, offset + i * form.record_bytes(), record);
      set.labels[first + begin + i] = record[form.label_at];
      interleave(record + form.label_bytes, set.pixels.data() + (first + begin + i) * kImage);
    }
  }
}

}  // namespace

std::unique_ptr<Source> open_cifar(const CifarOptions& options) {
  const Form form = form_of(options);
  const auto folder = folder_of(options, form);
  std::vector<std::pair<File, std::uint64_t>> files;
  std::uint64_t total = 0;
  for (const std::string& name : form.files) {
    File file(folder / name);
    const std::uint64_t records = count_records(file, form, options);
    total += records;
    files.emplace_back(std::move(file), records);
  }
  RawSet set{.name = form.name, .classes = classes_of(folder, form), .size = {32, 32}, .channels = 3, .pixels = SetMemory(total * kImage), .labels = {}, .path = folder.string()};
  set.labels.resize(total);
  std::uint64_t first = 0;
  for (const auto& [file, records] : files) {
    read_records(file, form, records, first, set);
    first += records;
  }
  return make_raw_source(std::move(set));
}

}  // namespace millrace
