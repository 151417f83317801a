"""The chapters, a file each; `course.CHAPTERS` has their order. Each has a `CHAPTER`."""
