"""Options that the sources file gives a file, as a reader takes them."""

from typing import TypeVar

from pydantic import ValidationError

from nasperf360.data.raw import RawFile
from nasperf360.errors import UserError
from nasperf360.settings.declaration import Settings

Model = TypeVar("Model", bound=Settings)


def file_options(file: RawFile, model: type[Model]) -> Model:
    """The options of a file. The workflow checks them at its start; this guards what was written since.

    Raises:
        UserError: they are not as declared.
    """
    try:
        return model.model_validate(dict(file.options))
    except ValidationError as error:
        fault = error.errors()[0]
        options = f"option '{'.'.join(map(str, fault['loc']))}'" if fault["loc"] else "options"
        text = fault.get("ctx", {}).get("error", fault["msg"])
        raise UserError(f"{file.path}: its {options} in the sources file: {text}; change it there") from error
