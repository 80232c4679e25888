// Files that callers read and write by themselves, held to what the engine asks of its own. All
// throw Error(file).
#pragma once
#include <string>

namespace canal {

// Refuses what cannot be read to its end: nothing at all, a folder, a pipe or a device.
void check_regular_file(const std::string& path);

// The file that one of this name replaces, which may be there or not: links are followed. Refuses
// folders, pipes, devices, links that lead in a circle, and a folder that is not there.
std::string file_to_replace(const std::string& path);

}  // namespace canal
