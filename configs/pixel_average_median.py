r"""The pixel median of a folder of aligned portraits.

python -m experiments.prepare faces --source=PHOTOGRAPHS --output=FACES --detector=yunet --align
    --size=160,128
python -m experiments.train --config=configs/pixel_average_median.py --workdir=runs/average_median
    --config.data.path=FACES/portraits --config.total_images=NUMBER

NUMBER is the number of portraits, which the first command prints. Then each portrait counts once,
and the median is exact. To average a subset, give a subfolder as the path. Without --align the
first command makes unaligned portraits to compare with.
"""

from configs import common
from configs.pixel_average_mean import average


def get_config(arg=None):
    return average(common.parse(arg, smoke=False), statistic='median')
