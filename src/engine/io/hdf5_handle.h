// HDF5's handles, closed by themselves, and its errors, carried in exceptions instead of printed.
#pragma once
// One interface from 1.10 to 1.14.
#ifndef H5_USE_110_API
#define H5_USE_110_API
#endif
#include <hdf5.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/io/format_error.h"
#include "engine/runtime.h"

namespace canal::io {

// Keeps HDF5 from printing its errors while this lives; other users of the library in the same
// process get their setting back. Stands before the first call of HDF5. Throws std::bad_alloc.
class QuietHdf5 {
 public:
  QuietHdf5() {
    // What HDF5 keeps of a thread and of an open file, half a MB or so: it does not look whether it
    // got that (1.10), and the process would end.
    require_memory(size_t{4} << 20);
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// Texts that HDF5 hands over one by one to a function of ours. It is written in C, so that nothing
// may be thrown through it: want of memory waits here until it has returned.
class HandedTexts {
 public:
  // What such a function returns: 0, or -1, at which HDF5 asks for no more.
  herr_t add(const char* text) noexcept;
  // Those that came, in their order. Throws std::bad_alloc where one could not be kept.
  std::vector<std::string> take();

 private:
  std::vector<std::string> texts_;
  bool starved_ = false;
};

// The innermost reason of HDF5's last error, "" where there is none. Throws std::bad_alloc where
// there is no memory: HDF5 may then fail at anything, whatever it calls the reason.
std::string hdf5_reason();

// Throws FormatError: "`what`: HDF5's reason", or std::bad_alloc as above.
[[noreturn]] void fail_hdf5(const std::string& what);

inline void check_hdf5(herr_t status, const std::string& what) {
  if (status < 0) fail_hdf5(what);
}

// HDF5's answer to a question: one that it could not ask is a no, unless for want of memory
// (std::bad_alloc).
bool is_yes(htri_t answer);

class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle() = default;
  // Takes what an HDF5 call returned; a negative id is the call's failure.
  Handle(hid_t id, Close close, const std::string& what) : id_(id), close_(close) {
    if (id < 0) fail_hdf5(what);
  }
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }

  operator hid_t() const { return id_; }

  // Closes now, for those who want to know whether it went well.
  herr_t close() { return close_(std::exchange(id_, H5I_INVALID_HID)); }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// Opens what `name`, a path from a group, leads to. Links to other files are not followed, wherever
// on the way they are. Throws FormatError.
Handle open_within(hid_t group, const std::string& name, const std::string& what);

// For calls that look at links: with it they do not leave the file either.
Handle links_within();

// Opens a file for reading, after a look at its checksum where it has one. Throws Error(file) or
// FormatError with the reason in plain words.
Handle open_hdf5(const std::string& path);

}  // namespace canal::io
