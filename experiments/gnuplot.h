#pragma once
#include <functional>
#include <string>
#include <vector>

namespace millrace {

/// A word or label of a gnuplot program, in quotes, without what would end them.
std::string gnuplot_text(std::string text);

/// Writes folder/STEM.gp and runs gnuplot on it for STEM.svg and STEM.png. Returns the files written; warns where gnuplot is
/// missing or fails. Errors: Error(data) for a folder that cannot be written.
std::vector<std::string> write_pictures(const std::string& folder, const std::string& stem, const std::string& program, int width,
                                        int height, const std::function<void(const std::string&)>& warn);

}  // namespace millrace
