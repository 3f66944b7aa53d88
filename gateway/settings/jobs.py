"""When what runs by itself runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from gateway.settings.parts import Part, Workstation


class JobTimes(Part):
    """When a job runs, and from when on its silence is an alarm."""

    enabled: bool = Field(True, description="按时运行；false 则只能人工运行（yibao jobs run）")
    when: str = Field("every 1h", description="every 5m（s、m、h）或 cron 五段“分 时 日 月 周”，北京时间，周写 mon-sun")
    grace_s: float = Field(3600, ge=1, le=7 * 86400, description="错过了时间，多少秒之内仍补办一次")
    silent_after_s: float = Field(7200, ge=60, le=60 * 86400, description="多少秒没有一次办成即告警")

    @field_validator("when")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not (_EVERY.fullmatch(value) or _cron_works(value)):
            raise ValueError(f"{value!r} 应形如 every 5m，或 cron 五段“分 时 日 月 周”（周写 mon-sun，不写数字）")
        return value

    @property
    def every_s(self) -> int | None:
        """Seconds between two runs; None for times of the clock."""
        found = _EVERY.fullmatch(self.when)
        return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else None


_EVERY = re.compile(r"every ([1-9][0-9]{0,5})([smh])")


def _cron_works(text: str) -> bool:
    # slow to import, and most configurations keep the defaults
    from apscheduler.triggers.cron import CronTrigger

    parts = text.split()
    if len(parts) != 5 or re.search(r"[0-9]", parts[4]):  # its 0 is Monday, cron's is Sunday
        return False
    try:
        CronTrigger.from_crontab(text, timezone="Asia/Shanghai")
    except ValueError:
        return False
    return True


def _sender(opter: str, what: str) -> Any:
    """Who a job sends its transactions as."""
    sender = Workstation(opter=opter, opter_name="医保接口网关", opter_type="2")
    return Field(sender, description=f"{what}报文头中的经办人等")


class AlignmentTimes(JobTimes):
    """2403 after the ward-in."""

    when: str = "every 5m"
    grace_s: float = 300
    silent_after_s: float = 3600


class DoubtTimes(JobTimes):
    """How the settling of doubts stands; they are settled whether this runs or not."""

    when: str = "every 5m"
    grace_s: float = 300
    silent_after_s: float = 1200


class SignInTimes(JobTimes):
    """9001 of every workstation, on each day that people work."""

    when: str = "*/10 6-22 * * *"
    grace_s: float = 3600
    silent_after_s: float = 86400
    operators: tuple[Workstation, ...] = Field((), description="除各客户端的 workstation 之外，另要签到的操作员")


class SignOutTimes(JobTimes):
    """9002 of every workstation."""

    enabled: bool = Field(False, description="缺省不签退：夜间急诊还要用签到编号，而签到当日有效")
    when: str = "50 23 * * *"
    silent_after_s: float = 172800


class HisSyncTimes(JobTimes):
    """What the HIS has recorded of inpatients, told to the gateway."""

    enabled: bool = Field(False, description="HIS 自己上报入出转、诊断、手术（/soap/hospital）的，不要启用")
    when: str = "every 2m"
    grace_s: float = 300
    silent_after_s: float = 1800
    overlap_s: int = Field(
        600, ge=0, le=86400, description="每次从上次读到处往回多少秒读起，以免漏掉改动时间早、提交晚的行"
    )
    first_days: int = Field(60, ge=1, le=3650, description="第一次运行时从多少天前读起（changed_at 为时间的）")


class FeeUploadTimes(JobTimes):
    """2301 of what the HIS has charged."""

    enabled: bool = Field(False, description="HIS 自己上传费用（2301）的，不要启用")
    when: str = "*/30 6-22 * * *"
    grace_s: float = 1800
    silent_after_s: float = 86400
    overlap_s: int = Field(3600, ge=0, le=86400, description="每次住院从上次读到处往回多少秒读起")
    whole_every_h: float = Field(12, ge=0, le=168, description="每次住院至少多少小时整份读一次；0 则每次都整份读")
    workstation: Workstation = _sender("fee_upload", "费用上传（2301）时")


class SettlementListTimes(JobTimes):
    """4101A, 4102 and 4103 of final settlements."""

    enabled: bool = Field(False, description="HIS 自己上传结算清单（4101、4101A）的，不要启用")
    when: str = "30 20 * * *"
    grace_s: float = 10800
    silent_after_s: float = 129600
    workstation: Workstation = _sender("settle_list", "结算清单（4101A 或 4101、4102、4103）")


class DipTimes(JobTimes):
    """The DIP system's export beside the settlements (ET-09)."""

    enabled: bool = Field(False, description="DIP 系统每晚导出 CSV 的，设置 file 后启用")
    when: str = "50 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600
    file: Path | None = Field(None, description="DIP 系统导出的 CSV；文件名可含日期，如 /mnt/dip/%Y%m%d.csv")
    age_max_h: float = Field(30, gt=0, le=8760, description="文件超过多少小时没有更新即不核对、告警")
    days: int = Field(60, ge=1, le=3650, description="最近多少天出院的须在文件中，即导出包含的天数")


class ReportTimes(JobTimes):
    """Yesterday in figures."""

    when: str = "20 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600


class ReconcileTimes(JobTimes):
    """Yesterday against the platform's books (``[reconcile]``)."""

    when: str = "40 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600


class CatalogTimes(JobTimes):
    """Catalogs (``[catalogs]``)."""

    enabled: bool = Field(False, description="缺省不自动下载：何时开放下载由省里规定")
    when: str = "30 0 * * *"
    grace_s: float = 14400
    silent_after_s: float = 259200


class BackupTimes(JobTimes):
    """A copy of the store."""

    when: str = "10 2 * * *"
    grace_s: float = 21600
    silent_after_s: float = 129600
    folder: Path | None = Field(None, description="备份目录；空则在 SQLite 文件旁的 backups，其他数据库须设置")
    keep: int = Field(14, ge=1, le=1000, description="留几份，其余删去最早的")


class RetentionTimes(JobTimes):
    """What is kept for how long (``[retention]``)."""

    when: str = "30 3 * * *"
    grace_s: float = 10800
    silent_after_s: float = 345600


class Jobs(Part):
    """What runs by itself; exactly one node runs jobs at any time."""

    enabled: bool = Field(True, description="本节点参与运行作业")
    alignment: AlignmentTimes = AlignmentTimes()
    doubts: DoubtTimes = DoubtTimes()
    sign_in: SignInTimes = SignInTimes()
    sign_out: SignOutTimes = SignOutTimes()
    his_sync: HisSyncTimes = HisSyncTimes()
    fee_upload: FeeUploadTimes = FeeUploadTimes()
    settlement_lists: SettlementListTimes = SettlementListTimes()
    reconcile: ReconcileTimes = ReconcileTimes()
    dip_differences: DipTimes = DipTimes()
    catalogs: CatalogTimes = CatalogTimes()
    daily_report: ReportTimes = ReportTimes()
    backup: BackupTimes = BackupTimes()
    retention: RetentionTimes = RetentionTimes()

    @property
    def times(self) -> dict[str, JobTimes]:
        """Every job's times, by its name."""
        return {name: value for name in type(self).model_fields if isinstance(value := getattr(self, name), JobTimes)}
