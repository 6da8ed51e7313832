// What the decoder costs against libjpeg's plain loop, on the photographs of imagenet-sample, one thread, CPU time, interleaved.
//   bench_decode [repetitions]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "jpeg_files.h"
#include "pipeline/jpeg.h"

using namespace millrace;

namespace {

/// CPU time of this thread, in microseconds: neighbours on the machine disturb it less than they do the wall clock.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e6 + double(time.tv_nsec) * 1e-3;
}

/// The bare loop: one handle, memory source, rows into one buffer.
class BareLoop {
 public:
  BareLoop() {
    cinfo_.err = jpeg_std_error(&errors_);
    errors_.emit_message = [](j_common_ptr, int) {};
    jpeg_create_decompress(&cinfo_);
  }
  ~BareLoop() { jpeg_destroy_decompress(&cinfo_); }
  void decode(const test::File& file) {
    jpeg_mem_src(&cinfo_, file.data(), file.size());
    jpeg_read_header(&cinfo_, TRUE);
    cinfo_.out_color_space = cinfo_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&cinfo_);
    const std::size_t stride = std::size_t(cinfo_.output_width) * std::size_t(cinfo_.output_components);
    std::uint8_t* const pixels = canvas_.reserve(stride * cinfo_.output_height);
    while (cinfo_.output_scanline < cinfo_.output_height) {
      JSAMPROW rows[16];
      for (unsigned i = 0; i < 16; ++i) rows[i] = pixels + stride * std::min(cinfo_.output_scanline + i, cinfo_.output_height - 1);
      jpeg_read_scanlines(&cinfo_, rows, std::min(16u, cinfo_.output_height - cinfo_.output_scanline));
    }
    jpeg_finish_decompress(&cinfo_);
  }

 private:
  jpeg_decompress_struct cinfo_{};
  jpeg_error_mgr errors_;
  Buffer canvas_;
};

/// Torchvision's RandomResizedCrop box: area 8-100 %, aspect 3/4-4/3.
Roi random_resized_crop(Size size, std::mt19937& random) {
  std::uniform_real_distribution<double> unit(0, 1);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = size.width * double(size.height) * (0.08 + 0.92 * unit(random));
    const double aspect = std::exp(std::log(0.75) + unit(random) * (std::log(4.0 / 3) - std::log(0.75)));
    const int width = int(std::lround(std::sqrt(area * aspect))), height = int(std::lround(std::sqrt(area / aspect)));
    if (width > 0 && height > 0 && width <= size.width && height <= size.height)
      return {int(unit(random) * (size.width - width + 1)), int(unit(random) * (size.height - height + 1)), width, height};
  }
  return {0, 0, size.width, size.height};
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 9;
  std::vector<test::File> files;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::data_folder() / "imagenet-sample"))
    if (entry.path().extension() == ".JPEG") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) files.push_back(test::read_file(path));
  if (files.empty()) return std::printf("no photographs under MILLRACE_DATA/imagenet-sample\n"), 2;

  BareLoop bare;
  JpegDecoder decoder({});
  Buffer canvas;
  const char* const names[] = {"bare libjpeg loop", "decoder, whole", "decoder, RRC crop", "decoder, header"};
  std::vector<double> microseconds[4];
  for (int r = 0; r < repetitions + 1; ++r) {
    std::mt19937 random{unsigned(r)};
    double sum[4] = {};
    for (std::size_t i = 0; i < files.size(); ++i) {
      for (int k = 0; k < 4; ++k) {
        const int what = (k + r) % 4; // Takes turns, so that none always finds the file in the cache.
        const auto info = decoder.header(files[i]);
        const Roi whole{0, 0, info->size.width, info->size.height};
        const Roi crop = what == 2 ? random_resized_crop(info->size, random) : whole;
        const double start = now();
        if (what == 0) bare.decode(files[i]);
        if (what == 3) (void)decoder.header(files[i]);
        if (what == 1 || what == 2) {
          (void)decoder.header(files[i]);
          if (!decoder.decode(files[i], crop, canvas)) std::printf("fault in %s\n", paths[i].c_str());
        }
        sum[what] += now() - start;
      }
    }
    if (r == 0) continue; // Warm-up.
    for (int k = 0; k < 4; ++k) microseconds[k].push_back(sum[k] / double(files.size()));
  }
  for (int k = 0; k < 4; ++k) {
    const auto [low, high] = std::minmax_element(microseconds[k].begin(), microseconds[k].end());
    const double middle = median(microseconds[k]);
    std::printf("%-18s %9.2f us/image (%.2f .. %.2f)  bare / this %.3f\n", names[k], middle, *low, *high, median(microseconds[0]) / middle);
  }
}
