#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

/// The formats that are decoded.
enum class ImageFormat : std::uint8_t { none, jpeg, png, webp, bmp };

/// What a file's first bytes say it is.
struct FileFormat {
  ImageFormat decoder = ImageFormat::none; ///< none: Millrace does not read it.
  std::string name;                        ///< "a TIFF file"; empty: the bytes are those of no format that is known here.
};

/// As many of a file's first bytes as `file_format` looks at.
inline constexpr std::size_t kFormatBytes = 512;

/// Tells a file by its first bytes: pictures of some thirty formats, and what is found under pictures' names instead of them (error
/// pages, Git LFS pointers, AppleDouble files, archives). Fewer bytes than kFormatBytes will do where the file is that short.
/// Threads: any. Errors: none, for any bytes.
FileFormat file_format(std::span<const std::uint8_t> first_bytes);

/// Whether a name ends as pictures' names do that Millrace decodes: .jpg .jpeg .png .webp .bmp, in any case.
bool is_decoded_ending(std::string_view name);

/// The ending of a picture's name of another format, in lower case with its dot (".heic"); empty: none that is known.
std::string_view other_picture_ending(std::string_view name);

}  // namespace millrace
