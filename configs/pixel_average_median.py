r"""The pixel median of a folder of aligned portraits.

python -m experiments.prepare.faces --source=PHOTOGRAPHS --output=FACES --detector=yunet --align
    --size=160,128
python -m experiments.train --config=configs/pixel_average_median.py --workdir=runs/average_median
    --config.data.path=FACES/portraits --config.total_images=NUMBER

NUMBER is how many portraits there are, as the first command prints it: then each
counts once and the median is exact. A sub-folder as the path averages that subset.
Without --align the first command makes the unaligned portraits to compare with.
"""

from configs import common
from configs.pixel_average_mean import average


def get_config(arg=None):
    return average(common.parse(arg, smoke=False), statistic='median')
