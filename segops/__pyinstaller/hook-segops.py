"""Tells PyInstaller of the data files: the page of `segops dev` and the purchases of `segops demo`."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("segops", includes=["**/*.html", "**/*.txt"])
