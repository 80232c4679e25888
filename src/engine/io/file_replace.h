// Replacing a file whole or not at all.
#pragma once
#include <string>

namespace canal::io {

// A neighbour file of a path, in the same folder because only there a rename is one step. Until
// commit() nobody sees it under its final name, and without commit() it is removed.
class FileReplacement {
 public:
  // Creates the empty neighbour. Throws Error(file).
  explicit FileReplacement(const std::string& path);
  ~FileReplacement();
  FileReplacement(const FileReplacement&) = delete;
  FileReplacement& operator=(const FileReplacement&) = delete;

  const std::string& temporary() const { return temporary_; }

  // Flushes the neighbour to disk and gives it the final name. Throws Error(file).
  void commit();

 private:
  std::string path_;
  std::string target_;  // `path_` with a symbolic link followed
  std::string temporary_;
  bool committed_ = false;
};

}  // namespace canal::io
