"""Uploads an exported model to the Hugging Face Hub."""

import pathlib
import re

from imggen.errors import UserError

_TARGET = re.compile(r'hf:([\w.-]+/[\w.-]+)')


def repository(target: str) -> str:
    """Returns USER/NAME of 'hf:USER/NAME'.

    Raises:
      UserError: the target has another form, or the extra is not installed.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise UserError(f'--push={target} is no repository: write hf:USER/NAME.')
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise UserError("--push needs the extra: pip install 'imggen[hub]'.") from error
    return match[1]


def push(folder: pathlib.Path, name: str, *, endpoint: str | None = None) -> str:
    """Uploads the files of a folder to a repository, and returns its address.

    A repository that does not exist is made, and is private until its owner says otherwise. The
    token is that of `hf auth login`, or the variable HF_TOKEN.

    Args:
      folder: an exported model.
      name: USER/NAME.
      endpoint: address of the Hub; by default the variable HF_ENDPOINT, or huggingface.co.

    Raises:
      UserError: the Hub refuses, or is not reached.
    """
    import huggingface_hub

    hub = huggingface_hub.HfApi(endpoint=endpoint)
    try:
        made = hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, commit_message='Export of imggen')
    except Exception as error:  # Of the Hub, or of whichever HTTP library its client has found.
        reason = ' '.join(str(error).split())
        raise UserError(
            f'{name} was not uploaded ({reason}): {folder} is complete; `hf auth login` gives the '
            f'right, and `hf upload {name} {folder}` uploads it.'
        ) from error
    return str(made)
