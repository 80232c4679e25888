#include "engine/io/hdf5_handle.h"

#include <fstream>
#include <new>

#include "engine/files.h"
#include "engine/io/checksum_block.h"

namespace canal::io {

namespace {

herr_t collect_reason(unsigned, const H5E_error2_t* error, void* reasons) {
  if (error->desc == nullptr || error->desc[0] == '\0') return 0;
  return static_cast<HandedTexts*>(reasons)->add(error->desc);
}

// HDF5 asks before it opens the other file.
herr_t refuse_link(const char*, const char*, const char*, const char*, unsigned*, hid_t, void*) {
  return -1;
}

// HDF5 tells a folder, a missing file and one it may not read from each other in its own words
// only.
void check_readable(const std::string& path) {
  check_regular_file(path);
  if (!std::ifstream(path, std::ios::binary)) fail_file(path, "cannot be read: permission denied");
}

}  // namespace

herr_t HandedTexts::add(const char* text) noexcept {
  try {
    texts_.emplace_back(text);
    return 0;
  } catch (const std::bad_alloc&) {
    starved_ = true;
    return -1;
  }
}

std::vector<std::string> HandedTexts::take() {
  if (starved_) throw std::bad_alloc();
  return std::move(texts_);
}

std::string hdf5_reason() {
  // Chunks that HDF5 makes room for are seldom larger.
  require_memory(size_t{64} << 20);
  HandedTexts handed;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, collect_reason, &handed);
  const std::vector<std::string> reasons = handed.take();
  return reasons.empty() ? "" : reasons.back();
}

void fail_hdf5(const std::string& what) {
  const std::string reason = hdf5_reason();
  throw FormatError(reason.empty() ? what : what + ": " + reason);
}

bool is_yes(htri_t answer) {
  if (answer < 0) hdf5_reason();
  return answer > 0;
}

Handle links_within() {
  Handle links(H5Pcreate(H5P_LINK_ACCESS), H5Pclose, "links cannot be followed");
  check_hdf5(H5Pset_elink_cb(links, refuse_link, nullptr), "links cannot be followed");
  return links;
}

Handle open_within(hid_t group, const std::string& name, const std::string& what) {
  return Handle(H5Oopen(group, name.c_str(), links_within()), H5Oclose, what);
}

Handle open_hdf5(const std::string& path) {
  check_readable(path);
  check_checksum_block(path);
  if (!is_yes(H5Fis_hdf5(path.c_str()))) fail_file(path, "is no HDF5 file");
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id >= 0) return Handle(id, H5Fclose, "");
  const std::string reason = hdf5_reason();
  if (reason.find("truncated") != std::string::npos) fail_file(path, "is truncated");
  fail_file(path, "cannot be opened: " + reason);
}

}  // namespace canal::io
