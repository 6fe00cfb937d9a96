"""Digits that a person names on the drawing page: kept in the browser alone, and downloaded as a folder to train on."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import keras
from PIL import Image
from playwright.sync_api import Page, expect

from digits.training.own_digits import read_folder
from tests.service.drawing_page import expect_digit, hear, paint_page, paint_photo, press
from tests.service.pen import write
from tests.service.server import Server

FOLDERS = [f"{label}/" for label in range(10)]


def name_the_digit(page: Page, read: int, label: int) -> None:
    page.get_by_role("button", name=re.compile(rf"^Not an? {read}\?$")).click()
    page.get_by_role("button", name=re.compile(rf"^It is an? {label}$")).click()
    expect(page.locator("#notice")).to_have_text(re.compile(rf"^Kept as an? {label}, in this browser alone\.$"))


def download(page: Page, path: Path) -> dict[str, bytes]:
    """Return the files of the zip, by their names."""
    with page.expect_download() as started:
        press(page, "Download")
    assert started.value.suggested_filename == "digits.zip"
    started.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:10] == FOLDERS
        return {name: archive.read(name) for name in archive.namelist()[10:]}


def expect_kept(page: Page, text: str) -> None:
    expect(page.locator("#own")).to_contain_text(f"{text} kept in this browser alone.")


def test_a_drawing_is_kept_under_the_label_that_the_person_gives(page: Page, tmp_path: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    expect(page.locator("#own")).to_be_hidden()
    write(page, 7)
    expect_digit(page, 7)
    sent.clear()
    name_the_digit(page, read=7, label=1)
    expect_kept(page, "One digit that you named is")
    write(page, 3)
    press(page, "Clear")
    write(page, 3)
    expect_digit(page, 3)
    name_the_digit(page, read=3, label=3)
    expect_kept(page, "2 digits that you named are")
    sent.clear()
    files = download(page, tmp_path / "digits.zip")
    assert list(files) == ["1/0001.png", "3/0002.png"]
    assert [Image.open(BytesIO(content)).size for content in files.values()] == [(256, 256)] * 2
    assert "POST" not in sent


def test_the_download_is_a_folder_that_keras_and_training_read(page: Page, tmp_path: Path) -> None:
    for digit, label in ((7, 2), (1, 9)):
        write(page, digit)
        expect_digit(page, digit)
        name_the_digit(page, digit, label)
        press(page, "Clear")
    download(page, tmp_path / "digits.zip")
    with zipfile.ZipFile(tmp_path / "digits.zip") as archive:
        archive.extractall(tmp_path / "digits")
    data = keras.utils.image_dataset_from_directory(
        str(tmp_path / "digits"), color_mode="grayscale", image_size=(28, 28), shuffle=False, verbose=False
    )
    images, labels = next(iter(data))
    assert data.class_names == [str(label) for label in range(10)]
    assert labels.numpy().tolist() == [2, 9]
    assert read_folder(tmp_path / "digits").labels.tolist() == [2, 9]
    # Dark on white, as it was drawn.
    assert images.numpy()[:, 0, 0].min() > 250
    assert images.numpy().min() < 50


def test_another_label_replaces_the_first_and_the_same_takes_it_back(page: Page, tmp_path: Path) -> None:
    write(page, 7)
    expect_digit(page, 7)
    name_the_digit(page, read=7, label=1)
    page.get_by_role("button", name="It is a 4").click()
    expect(page.get_by_role("button", name="It is a 4")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="It is a 4")).to_be_focused()
    assert list(download(page, tmp_path / "digits.zip")) == ["4/0001.png"]
    page.get_by_role("button", name="It is a 4").click()
    expect(page.locator("#notice")).to_have_text("Taken back.")
    expect(page.locator("#own")).to_be_hidden()


def test_named_digits_stay_until_they_are_forgotten(page: Page) -> None:
    write(page, 7)
    expect_digit(page, 7)
    name_the_digit(page, read=7, label=1)
    page.reload()
    expect_kept(page, "One digit that you named is")
    press(page, "Forget")
    expect(page.locator("#own")).to_be_hidden()
    expect(page.locator("#ink")).to_be_focused()
    page.reload()
    write(page, 7)
    expect_digit(page, 7)
    expect(page.locator("#own")).to_be_hidden()


def test_a_digit_of_a_page_is_cut_out_and_put_right(page: Page, server: Server, tmp_path: Path) -> None:
    paint_page("31415", "2718", "0246", degrees=5).save(tmp_path / "page.png")
    page.get_by_text("Several digits").click()
    page.locator("#file").set_input_files(tmp_path / "page.png")
    page.get_by_role("button", name=re.compile("^Line 2: 2 7 1 8, ")).click()
    page.get_by_role("button", name=re.compile("^7 ")).click()
    page.get_by_role("button", name="It is a 1").click()
    expect(page.get_by_text("Not a 7? It is")).to_be_visible()
    expect(page.locator("#lines .number")).to_have_text(["31415", "2118", "0246"])
    expect(page.locator("#boxes .figures")).to_have_text([re.compile("31415"), re.compile("2118"), re.compile("0246")])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy")
    expect(page.locator("#notice")).to_contain_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == "31415\n2118\n0246"
    files = download(page, tmp_path / "digits.zip")
    assert list(files) == ["1/0001.png"]
    cut = server.request("POST", "/predict/image", files["1/0001.png"], {"Content-Type": "image/png"}).json
    assert (cut["digit"], cut["accepted"]) == (7, True)


def test_a_digit_that_is_drawn_beside_others_is_cut_out(page: Page, server: Server, tmp_path: Path) -> None:
    page.get_by_text("Several digits").click()
    for place, digit in enumerate([3, 7]):
        write(page, digit, left=0.1 + 0.4 * place, width=0.3, height=0.8)
    expect(hear(page)).to_have_text("3 7. 2 digits")
    page.get_by_role("button", name=re.compile("^3 ")).click()
    page.get_by_role("button", name="It is an 8").click()
    expect(page.locator("#lines .number")).to_have_text("87")
    files = download(page, tmp_path / "digits.zip")
    cut = server.request("POST", "/predict/image", files["8/0001.png"], {"Content-Type": "image/png"}).json
    assert cut["digit"] == 3


def test_the_photo_of_one_digit_is_kept(page: Page, tmp_path: Path) -> None:
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.jpg", (1200, 800)))
    expect_digit(page, 7)
    name_the_digit(page, read=7, label=1)
    files = download(page, tmp_path / "digits.zip")
    assert Image.open(BytesIO(files["1/0001.png"])).size == (256, 171)


def test_no_name_is_asked_for_what_the_browser_cannot_show(page: Page, tmp_path: Path) -> None:
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.tiff"))
    expect_digit(page, 7)
    expect(page.get_by_role("button", name="Not a 7?")).to_be_hidden()
