#include "engine/io/file_replace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "engine/files.h"
#include "engine/io/format_error.h"

namespace canal::io {

namespace {

const std::string part_mark = ".canalR-part-";
constexpr size_t part_letters = 6;  // that mkstemp() puts in

[[noreturn]] void fail_write(const std::string& path, int error) {
  fail_file(path, std::string("cannot be written: ") + std::strerror(error));
}

// A link stays a link: what it points to is replaced, or made where it does not exist yet.
std::string link_target(const std::string& path) {
  constexpr int most_links = 32;
  std::filesystem::path target(path);
  std::error_code status;
  for (int i = 0; i < most_links && std::filesystem::is_symlink(target, status); ++i) {
    const std::filesystem::path next = std::filesystem::read_symlink(target, status);
    if (status) break;
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target.string();
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

void check_place(const std::string& path, const std::string& target) {
  std::error_code status;
  const std::filesystem::file_status there = std::filesystem::symlink_status(target, status);
  if (std::filesystem::is_directory(there)) fail_file(path, "cannot be written: it is a folder");
  if (std::filesystem::is_symlink(there)) {
    fail_file(path, "cannot be written: it is a link that leads to no end");
  }
  // As root one could replace /dev/null.
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    fail_file(path, "cannot be written: it is a pipe or device, not a file");
  }
  const std::string folder = folder_of(target);
  if (!std::filesystem::exists(folder, status)) {
    fail_file(path, "cannot be written: there is no folder '" + folder + "'");
  }
}

// Removes the neighbours of writers that were killed: those that nobody has written to for an hour.
// What cannot be removed stays.
void sweep(const std::string& target) {
  constexpr auto long_ago = std::chrono::hours(1);
  const std::string name = std::filesystem::path(target).filename().string() + part_mark;
  const auto now = std::filesystem::file_time_type::clock::now();
  std::error_code status;
  for (std::filesystem::directory_iterator at(folder_of(target), status), end; !status && at != end;
       at.increment(status)) {
    const std::string found = at->path().filename().string();
    if (found.size() != name.size() + part_letters || found.compare(0, name.size(), name) != 0) {
      continue;
    }
    std::error_code one;
    const auto written = at->last_write_time(one);
    if (!one && now - written > long_ago) std::filesystem::remove(at->path(), one);
  }
}

// mkstemp() makes files for their owner alone; the new file gets the rights of the one it replaces,
// or those that any new file would have.
mode_t final_rights(const std::string& target) {
  struct stat present;
  if (stat(target.c_str(), &present) == 0) return present.st_mode & 07777;
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

int flush_to_disk(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY);
  if (file < 0) return errno;
  const int error = fsync(file) == 0 ? 0 : errno;
  close(file);
  return error;
}

}  // namespace

FileReplacement::FileReplacement(const std::string& path)
    : path_(path), target_(file_to_replace(path)) {
  sweep(target_);
  std::string name = target_ + part_mark + std::string(part_letters, 'X');
  const int file = mkstemp(name.data());
  if (file < 0) {
    const int error = errno;
    fail_file(path_, "cannot be written: its folder '" + folder_of(target_) +
                         "' takes no new file (" + std::strerror(error) + ")");
  }
  temporary_ = name;
  const bool allowed = fchmod(file, final_rights(target_)) == 0;
  const int error = errno;
  close(file);
  if (allowed) return;
  unlink(temporary_.c_str());
  fail_write(path_, error);
}

FileReplacement::~FileReplacement() {
  if (!committed_) unlink(temporary_.c_str());
}

void FileReplacement::commit() {
  const int error = flush_to_disk(temporary_);
  if (error != 0) fail_write(path_, error);
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail_write(path_, errno);
  committed_ = true;
  // The name lies in the folder, which some file systems cannot flush: the file is whole anyway.
  flush_to_disk(folder_of(target_));
}

}  // namespace canal::io

namespace canal {

std::string file_to_replace(const std::string& path) {
  std::string target = io::link_target(path);
  io::check_place(path, target);
  return target;
}

}  // namespace canal
