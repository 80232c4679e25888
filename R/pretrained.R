#' Pre-trained models
#'
#' `"compact"` is in the package: a small network with the vocabulary of its pre-training, which a
#' laptop trains on within seconds. Others are files: a path, or the name of one in the cache.
#' Nothing is ever downloaded unless `url` is given.
#'
#' @param name `"compact"`; the name under which a model was put into the cache; or the path of a
#'   file that [canal_save()] wrote.
#' @param url Where to get the model from if the cache does not have `name` yet: an `https://`,
#'   `http://` or `file://` address. `NULL` downloads nothing.
#' @param sha256 The SHA-256 checksum (64 hexadecimal digits) of the file, wherever it comes from. A
#'   file with another is refused, and not kept if it was downloaded. Needed with `url`.
#' @param cache The folder of the cache, made if it is not there and needed.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way.
#'
#' @details A model in the cache lies beside a text file with its checksum, which is looked at
#' whenever the model is loaded.
#'
#' What `"compact"` was made of, what it is good for and what not is in its model card,
#' `system.file("pretrained", "compact.md", package = "canalR")`; the script that made it is
#' `system.file("scripts", "make-pretrained.R", package = "canalR")`. Genes of your data that its
#' vocabulary lacks can join it (`new_genes` of [canal_train()]).
#'
#' @return A [CanalModel-class] for the first [canal_train()] of a stream.
#' @section Errors: `canalR_error_file` where there is no such file, it cannot be downloaded, is
#'   damaged or has another checksum; `canalR_error_package` where R is older than 4.5 and the
#'   package digest is missing; `canalR_error_argument`.
#' @source Pre-training as in scBERT (Yang et al. 2022), Methods, by [canal_pretrain()]; the data
#'   are in the model card.
#' @examples
#' canal_pretrained("compact")
#' @export
canal_pretrained <- function(name = "compact", url = NULL, sha256 = NULL,
                             cache = tools::R_user_dir("canalR", "cache"), verbose = TRUE) {
  check_path(name, "name")
  check_text_path(cache, "cache")
  check_flag(verbose, "verbose")
  check_sha256(sha256)
  if (!is.null(url) && identical(name, "compact")) {
    canal_abort("argument", "name", "the name that the model is to have in the cache",
                "\"compact\", which is the package's own", "Give it another.")
  }
  own <- if (is.null(url)) model_file(name, cache)
  if (!is.null(own)) {
    check_sum(own, sha256)
    return(load_named(own))
  }
  file <- cached_model(name, cache)
  if (!file.exists(file)) download_model(name, url, sha256, file, verbose)
  check_cached(file, sha256)
  load_named(file)
}

# The file that a name means without a download, outside the cache; NULL for none. A plain name
# means the cache before it means a file, which "./name" does always.
model_file <- function(name, cache) {
  if (identical(name, "compact")) {
    return(system.file("pretrained", "compact.h5", package = "canalR"))
  }
  cached <- is_cache_name(name) && file.exists(cached_model(name, cache))
  if (!cached && file.exists(path.expand(name))) path.expand(name)
}

# Errors of loading are about what the user called it, which was a name.
load_named <- function(file, argument = "name") {
  tryCatch(canal_load(file), canalR_error = function(error) {
    pass_on_memory(error)
    canal_abort("file", argument, "a model that canal_save() wrote",
                sprintf("%s, which is none or damaged: %s", file,
                        sub("[.]$", "", conditionMessage(error))))
  })
}

is_cache_name <- function(name) grepl("^[A-Za-z0-9][A-Za-z0-9._-]*$", name)

check_sha256 <- function(sha256) {
  if (is.null(sha256)) return(invisible())
  if (!is.character(sha256) || length(sha256) != 1 || !grepl("^[0-9a-fA-F]{64}$", sha256)) {
    canal_abort("argument", "sha256", "the 64 hexadecimal digits of the file's SHA-256",
                describe_value(sha256), "Whoever offers the file should say it.")
  }
}

check_sum <- function(file, sha256) {
  if (is.null(sha256)) return(invisible())
  found <- sha256_of(file)
  if (identical(found, tolower(sha256))) return(invisible())
  canal_abort("file", "sha256", sprintf("%s with the checksum %s", file, tolower(sha256)),
              sprintf("one with %s", found))
}

cached_model <- function(name, cache) {
  if (!is_cache_name(name)) {
    canal_abort("file", "name", "a file that is there, or a name of letters, digits, - and _",
                sprintf("\"%s\"", name))
  }
  file.path(path.expand(cache), paste0(name, ".h5"))
}

# The file comes to its place when it is whole and is what it should be.
download_model <- function(name, url, sha256, file, verbose) {
  if (is.null(url)) {
    kept <- sub("\\.h5$", "", list.files(dirname(file), "\\.h5$"))
    canal_abort("file", "name", "\"compact\", the path of a model, or one in the cache",
                sprintf("\"%s\"; the cache (%s) has %s", name, dirname(file),
                        if (length(kept)) some_of(kept) else "none"),
                "With `url` it is downloaded once.")
  }
  check_text_path(url, "url")
  if (is.null(sha256)) {
    canal_abort("argument", "sha256", "the SHA-256 checksum of the file at `url`", "NULL",
                "Whoever offers the file should say it.")
  }
  dir.create(dirname(file), showWarnings = FALSE, recursive = TRUE)
  sweep_parts(dirname(file))
  part <- part_file(file, ".h5")
  on.exit(unlink(part))
  canal_inform("download", sprintf("Downloading %s to %s.", url, dirname(file)), verbose)
  fetch_file(url, part)
  found <- sha256_of(part)
  if (!identical(found, tolower(sha256))) {
    canal_abort("file", "sha256", sprintf("a file with the checksum %s", tolower(sha256)),
                sprintf("one with %s", found), "It was not kept.")
  }
  load_named(part, "url")
  replace_whole(paste0(file, ".sha256"), "cache", function(note) {
    warnings_stop(writeLines(found, note))
  })
  replace_whole(file, "cache", function(whole) warnings_stop(file.rename(part, whole)))
}

fetch_file <- function(url, file) {
  problem <- tryCatch({
    warnings_stop(status <- utils::download.file(url, file, mode = "wb", quiet = TRUE))
    if (status != 0) sprintf("status %d", status)
  }, error = conditionMessage)
  if (!is.null(problem)) {
    canal_abort("file", "url", "an address that can be downloaded", problem)
  }
}

check_cached <- function(file, sha256) {
  note <- paste0(file, ".sha256")
  wanted <- c(if (file.exists(note)) readLines(note, n = 1), if (!is.null(sha256)) tolower(sha256))
  if (length(wanted) && all(sha256_of(file) == wanted)) return(invisible())
  canal_abort("file", "name", "a model as it was put into the cache",
              sprintf("one with another checksum or none (%s)", file),
              "Remove it to download it anew.")
}

# R has it from 4.5 on.
sha256_of <- function(file) {
  if (exists("sha256sum", asNamespace("tools"))) {
    return(unname(getExportedValue("tools", "sha256sum")(file)))
  }
  need_package("digest", "name", "which computes checksums")
  digest::digest(file = file, algo = "sha256")
}
