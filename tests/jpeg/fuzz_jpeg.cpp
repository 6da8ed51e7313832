// Damaged and odd files without end: the fast decoder's answers must be libjpeg-turbo's.
//   fuzz_jpeg SECONDS [SEED [FILE or FOLDER ...]]
// Starts from generated files, and from those named. With -fsanitize=fuzzer and MILLRACE_LIBFUZZER it is a libFuzzer target instead:
// inputs are files, and the crop depends on their bytes.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "jpeg_compare.h"
#include "jpeg_writer.h"

using namespace millrace;
using namespace millrace::test;

namespace {

std::vector<File> generated(std::mt19937_64& random) {
  std::vector<File> files;
  for (const auto& luma : {std::pair{1, 1}, {2, 1}, {2, 2}})
    for (const int restart : {0, 1, 4})
      for (const int quality : {20, 85, 100})
        files.push_back(encode(test_picture({70, 50}, 3, unsigned(files.size())), {.sampling = {luma, {1, 1}, {1, 1}}, .restart_blocks = restart, .quality = quality}));
  files.push_back(encode(test_picture({60, 40}, 1, 1), {.components = 1, .sampling = {{1, 1}}}));
  for (int i = 0; i < 60; ++i) files.push_back(write_random_jpeg(random_description(random), random));
  return files;
}

}  // namespace

#ifdef MILLRACE_LIBFUZZER

/// Puts generated files into the first folder named, where it is empty.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  std::mt19937_64 random(1);
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path folder = (*argv)[i];
    if (!std::filesystem::is_directory(folder)) continue;
    if (!std::filesystem::is_empty(folder)) break;
    int n = 0;
    for (const File& file : generated(random)) {
      std::ofstream out(folder / ("seed-" + std::to_string(n++) + ".jpg"), std::ios::binary);
      out.write(reinterpret_cast<const char*>(file.data()), std::streamsize(file.size()));
    }
    break;
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kMaxPixels = 128 * 128;
  static BothDecoders colour(3, kMaxPixels), grey(1, kMaxPixels);
  std::mt19937_64 random(size);
  for (std::size_t i = 0; i < size; ++i) random.seed(random() ^ data[i] * 0x9E3779B97F4A7C15u);
  const auto wrong = (random() % 4 == 0 ? grey : colour).difference({data, size}, random);
  if (wrong) {
    std::printf("%s\n", wrong->c_str());
    std::abort();
  }
  return 0;
}

#else

namespace {

void add_files(const std::filesystem::path& path, std::vector<File>& files) {
  constexpr std::size_t kMaxBytes = 60'000; // More rounds a second.
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file() && entry.file_size() <= kMaxBytes) files.push_back(read_file(entry.path()));
  } else {
    files.push_back(read_file(path));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("fuzz_jpeg SECONDS [SEED [FILE or FOLDER ...]]\n"), 2;
  const double seconds = std::atof(argv[1]);
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::mt19937_64 random(seed);
  std::vector<File> seeds = generated(random);
  for (int i = 3; i < argc; ++i) add_files(argv[i], seeds);
  BothDecoders colour, grey(1);
  std::uint64_t rounds = 0, wrong = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    ++rounds;
    File file;
    if (rounds % 8 == 0) { // A fresh sound one; every other is damaged below.
      file = write_random_jpeg(random_description(random), random);
      if (rounds % 16 == 0) file = damaged(file, scan_of(file), random);
    } else {
      const File& from = seeds[random() % seeds.size()];
      file = damaged(from, scan_of(from), random);
    }
    const auto difference = (rounds % 4 == 1 ? grey : colour).difference(file, random);
    if (!difference) continue;
    const std::string name = "fuzz_jpeg." + std::to_string(seed) + "." + std::to_string(rounds) + ".jpg";
    std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), std::streamsize(file.size()));
    std::printf("round %llu: %s; kept as %s\n", static_cast<unsigned long long>(rounds), difference->c_str(), name.c_str());
    if (++wrong == 10) break;
  }
  const auto sum = [&](auto member) { return static_cast<unsigned long long>((colour.*member)() + (grey.*member)()); };
  std::printf("%llu files, %llu with a header, %llu delivered, %llu by the fast decoder, %llu differ\n", static_cast<unsigned long long>(rounds),
              sum(&BothDecoders::files), sum(&BothDecoders::delivered), sum(&BothDecoders::taken), static_cast<unsigned long long>(wrong));
  return wrong != 0;
}

#endif
