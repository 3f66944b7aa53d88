-- 住院登记。列名见 docs/operating/his-databases.md；row_id 与 changed_at 每条语句都要有。
-- 以下语句适用于示例 HIS（yibao his sample）；复制整个目录再改成本院的表。
SELECT b.id                                   AS row_id,
       b.xgsj                                 AS changed_at,
       b.zyh                                  AS ipt_no,
       b.cbr                                  AS psn_no,
       b.xm                                   AS psn_name,
       '01'                                   AS psn_cert_type,
       b.sfzh                                 AS certno,
       b.xb                                   AS gend,
       b.csrq                                 AS brdy,
       b.lxdh                                 AS tel,
       b.yllb                                 AS med_type,
       b.rysj                                 AS begntime,
       b.cysj                                 AS endtime,
       b.ryks                                 AS adm_dept_codg,
       b.ryksmc                               AS adm_dept_name,
       b.dqbq                                 AS ward_code,
       b.cwh                                  AS adm_bed,
       b.zzys                                 AS atddr_no,
       b.zzysxm                               AS chfpdr_name,
       b.zfbz                                 AS void_flag
FROM   zy_brry b
